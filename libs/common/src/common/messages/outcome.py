"""One attempt at a provider: what the breaker learns from."""

from typing import Literal

from pydantic import Field

from common.messages.base import Message


class Outcome(Message):
    """An attempt ended. `error_code` is empty when it worked (`common.errors` has the codes)."""

    talker_id: str
    model: str
    attempt: Literal["connect", "response"]
    is_ok: bool
    error_code: str = ""
    latency_ms: int = Field(ge=0)
    """Connect to session ready, or response asked to first audio (to the failure when it failed)."""
