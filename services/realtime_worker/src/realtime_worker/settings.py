"""The settings of a realtime worker."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from common.settings import Port, ServiceSettings

PREFIX = "REALTIME_WORKER_"


def _is_api_base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must be an http:// or https:// URL")
    return url


class RealtimeWorkerSettings(ServiceSettings):
    """Read once, in `__main__`."""

    openai_api_key: SecretStr = Field(min_length=1, description="OpenAI API key")
    openai_base_url: Annotated[str, AfterValidator(_is_api_base)] = Field(
        "https://api.openai.com/v1", description="API base URL; the Realtime socket's URL is derived from it"
    )
    realtime_worker_model: str = Field(
        "gpt-realtime-2.1", min_length=1, description="Realtime model of agents that name none"
    )
    realtime_worker_capacity: int = Field(50, ge=1, le=2_000, description="Calls one worker carries at most")
    realtime_worker_warm_sessions: int = Field(0, ge=0, le=200, description="Speech sessions kept open ahead of need")
    realtime_worker_warm_max_age_s: float = Field(
        600.0, gt=0, le=3_000, description="Age at which an unused warm session is replaced"
    )
    realtime_worker_open_timeout_s: float = Field(
        3.0, gt=0, le=60, description="Longest wait for a speech session to be ready"
    )
    realtime_worker_answer_timeout_s: float = Field(
        4.0, gt=0, le=60, description="Caller's last word to agent's first audio before another talker is asked for"
    )
    realtime_worker_response_retries: int = Field(
        2, ge=0, le=10, description="How often a failed answer is asked for again while the caller waits"
    )
    realtime_worker_orphan_after_s: float = Field(
        30.0, gt=0, le=600, description="Without caller audio and without word from the edge a session is closed"
    )
    realtime_worker_drain_deadline_s: float = Field(
        600.0, ge=0, le=90_000, description="Longest wait for running calls to be handed over when ending"
    )
    realtime_worker_session_max_age_s: float = Field(
        3_300.0, gt=0, le=3_600, description="Age at which a speech session's call is handed over to another session"
    )
    realtime_worker_ops_port: Port = Field(9102, description="Port of /livez, /readyz and /metrics; 0: any")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        return (self.openai_api_key.get_secret_value(),)
