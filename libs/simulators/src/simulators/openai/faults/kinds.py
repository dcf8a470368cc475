"""The faults that can be set, as they are written in the script and posted to `/_sim/faults`."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, model_validator

from simulators.openai.faults.http_kinds import HttpFault
from simulators.openai.faults.outages import Outage
from simulators.openai.faults.strict import Strict

MAX_REASON_BYTES: Final = 123


class Target(Strict):
    """Which sessions a fault meets; all that is given must hold."""

    sessions: Literal["all", "running", "new"] = "all"
    """`running`: open now; `new`: opened from now on; `all`: both."""
    numbers: tuple[int, ...] = ()
    """The nth sessions of this process, from 1; none given: any."""
    key: str | None = None
    """API key of the session."""
    model: str | None = None
    session_id: str | None = None


class At(Strict):
    """When it happens, counted from the session's start (or, for a running session, from the posting)."""

    after_s: float = Field(0.0, ge=0)
    after_responses: int = Field(0, ge=0)
    """Responses that ended."""


class _Fault(Strict):
    target: Target = Target()
    times: int | None = Field(None, ge=1)
    """So often in total, over all sessions; absent: without end."""


class _Session(_Fault):
    at: At = At()


class CloseSession(_Session):
    """Close the socket with a code, or (1006) cut the connection without a close frame."""

    kind: Literal["close"]
    code: int = Field(1011, ge=1000, le=4999)
    reason: str = ""

    @model_validator(mode="after")
    def _can_be_sent(self) -> "CloseSession":
        """RFC 6455: 5.5 limits the reason, 7.4.1 forbids some codes on the wire (1006 is ours: no close frame)."""
        if self.code in (1004, 1005, 1015):
            raise ValueError(f"{self.code} cannot be sent")
        if len(self.reason.encode()) > MAX_REASON_BYTES:
            raise ValueError(f"a close reason has at most {MAX_REASON_BYTES} bytes")
        return self


class BlackHole(_Session):
    """Never answer again. `stage: handshake` does not even answer the upgrade request."""

    kind: Literal["black_hole"]
    stage: Literal["handshake", "session"] = "session"


class GarbageEvent(_Session):
    """Send something that is no event of the API."""

    kind: Literal["garbage_event"]
    what: Literal["invalid_json", "unknown_type", "missing_fields", "binary", "huge"] = "invalid_json"


class SlowFirstAudio(_Session):
    """Let responses wait so long before their first audio."""

    kind: Literal["slow_first_audio"]
    ms: int = Field(ge=0)


class FailedResponse(_Session):
    """Responses end with status failed, without audio; the socket stays healthy."""

    kind: Literal["failed_response"]
    code: str = "server_error"
    message: str = "The server had an error while processing your request. Sorry about that!"


class RateLimit(_Session):
    """Responses fail with `rate_limit_exceeded`, and `rate_limits.updated` says nothing remains."""

    kind: Literal["rate_limit"]
    reset_seconds: float = Field(20.0, ge=0)


class NoResponse(_Session):
    """The caller's turn is committed and asked responses are accepted, but nothing follows."""

    kind: Literal["no_response"]


class SessionCap(_Fault):
    """End sessions of this age as the API ends them after an hour."""

    kind: Literal["session_cap"]
    seconds: float = Field(gt=0)


class RefuseUpgrade(_Fault):
    """Answer the upgrade with an HTTP error."""

    kind: Literal["refuse_upgrade"]
    status: int = Field(503, ge=400, le=599)


class ConnectDelay(_Fault):
    """Answer the upgrade late."""

    kind: Literal["connect_delay"]
    ms: int = Field(ge=0)


SessionFault: TypeAlias = (
    CloseSession | BlackHole | GarbageEvent | SlowFirstAudio | FailedResponse | RateLimit | NoResponse | SessionCap
)
HandshakeFault: TypeAlias = RefuseUpgrade | ConnectDelay
RealtimeFault: TypeAlias = SessionFault | HandshakeFault
Fault = Annotated[RealtimeFault | HttpFault, Field(discriminator="kind")]


class FaultList(Strict):
    """What may be posted: one fault, `{"faults": [...]}`, or an outage, which is several (`faults/outages.py`)."""

    faults: tuple[Fault, ...]

    @model_validator(mode="before")
    @classmethod
    def _spelt_out(cls, value: object) -> object:
        if isinstance(value, dict) and "outage" in value:
            return {"faults": Outage.model_validate(value).faults()}
        return {"faults": [value]} if isinstance(value, dict) and "kind" in value else value
