"""What a simulated caller can do, one model per step, and the short ways to write them in YAML."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from simulators.people import recordings
from simulators.twilio.signature import SignatureFault

Timeout = Annotated[int, Field(gt=0, le=3_600_000)]
Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]
EndedBy = Literal[
    "caller", "document_end", "hangup_verb", "rejected", "rest", "application_error", "vanished", "gave_up"
]


class Model(BaseModel):
    """Frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _known_recording(name: str) -> str:
    try:
        recordings.load(name)
    except KeyError as error:
        raise ValueError(error.args[0]) from error
    return name


RecordingName = Annotated[str, Field(min_length=1), BeforeValidator(_known_recording)]


class WaitForAgentSpeech(Model):
    """Go on as soon as the agent is audible (at once, if it is)."""

    kind: Literal["wait_for_agent_speech"]
    timeout_ms: Timeout = 10_000


class WaitForAgentSilence(Model):
    """Go on when nothing has been audible for so long."""

    kind: Literal["wait_for_agent_silence"]
    silence_ms: Timeout = 700
    timeout_ms: Timeout = 60_000


class WaitForStream(Model):
    """Go on when the call's n-th media stream is attached."""

    kind: Literal["wait_for_stream"]
    number: Annotated[int, Field(ge=1)] = 1
    timeout_ms: Timeout = 10_000


class WaitForDial(Model):
    """Go on when the call has been bridged to somebody by `<Dial>`."""

    kind: Literal["wait_for_dial"]
    timeout_ms: Timeout = 10_000


class WaitForEnd(Model):
    """The other side is to end the call; `by` names the accepted ends (default: any but an application error)."""

    kind: Literal["wait_for_end"]
    by: tuple[EndedBy, ...] = ("document_end", "hangup_verb", "rejected", "rest")
    timeout_ms: Timeout = 60_000


class Say(Model):
    """Speak a recording from beginning to end, whatever the agent does."""

    kind: Literal["say"]
    recording: RecordingName


class Interrupt(Model):
    """Wait until the agent has been audible for so long (pauses do not reset the count), then speak over it."""

    kind: Literal["interrupt"]
    after_ms_of_agent_speech: Milliseconds
    say: RecordingName
    timeout_ms: Timeout = 30_000


class PauseFor(Model):
    """Say nothing for a while."""

    kind: Literal["pause_ms"]
    ms: Milliseconds


class Dtmf(Model):
    """Press keys, one every 250 ms; `w` waits half a second."""

    kind: Literal["dtmf"]
    digits: Annotated[str, Field(pattern=r"^[0-9A-D*#w]+$")]


class Hangup(Model):
    """Put the phone down."""

    kind: Literal["hangup"]


BrokenMessage = Literal[
    "malformed_json",
    "binary_frame",
    "oversized_frame",
    "unknown_event",
    "wrong_stream_sid",
    "odd_payload",
    "not_base64",
    "second_start",
]


class Misbehave(Model):
    """Send one broken message on the media socket, as Twilio never would."""

    kind: Literal["misbehave"]
    message: BrokenMessage
    size_bytes: Annotated[int, Field(gt=0, le=64_000_000)] = 2_000_000


class SideSocket(Model):
    """Open a second media socket beside the real one and note what becomes of it.

    `call_sid` same: a duplicate of this call; other: a stranger. `token` same: the parameters of the running stream
    (a replay), fresh: fetched anew from the voice webhook, missing: no parameters. Waits until it is closed or
    `for_ms` have passed.
    """

    kind: Literal["side_socket"]
    call_sid: Literal["same", "other"] = "same"
    account_sid: Literal["same", "other"] = "same"
    token: Literal["same", "fresh", "missing", "forged"] = "same"  # noqa: S105
    signature: SignatureFault = SignatureFault.GOOD
    opening: Literal["usual", "media_first", "silent"] = "usual"
    for_ms: Timeout = 2_000


class StallReading(Model):
    """Stop reading from the media socket for a while; the script goes on meanwhile."""

    kind: Literal["stall_reading_ms"]
    ms: Timeout


class DropSocket(Model):
    """Lose the TCP connection of the media socket; Twilio goes on with its document as after a real break."""

    kind: Literal["drop_socket"]


class Vanish(Model):
    """Lose everything: the socket is aborted and Twilio never says another word about this call."""

    kind: Literal["vanish"]


class Repeat(Model):
    """The same steps several times over, or until so long after the call's answer; none of them may end the call."""

    kind: Literal["repeat"]
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000_000
    until_ms: Timeout | None = None
    steps: Annotated[tuple["Step", ...], Field(min_length=1)]

    @field_validator("steps")
    @classmethod
    def _goes_on(cls, steps: tuple["AnyStep", ...]) -> tuple["AnyStep", ...]:
        if any(isinstance(step, ENDS) for step in steps):
            raise ValueError("a repeated step cannot end the call")
        return steps


AnyStep = (
    WaitForAgentSpeech
    | WaitForAgentSilence
    | WaitForStream
    | WaitForDial
    | WaitForEnd
    | Say
    | Interrupt
    | PauseFor
    | Dtmf
    | Hangup
    | Misbehave
    | SideSocket
    | StallReading
    | DropSocket
    | Vanish
    | Repeat
)

ENDS = (Hangup, WaitForEnd, Vanish)

# Steps written with a plain value, `say: caller-1`, and the field it stands for.
_SHORT_FORMS = {
    "say": "recording",
    "pause_ms": "ms",
    "stall_reading_ms": "ms",
    "dtmf": "digits",
    "misbehave": "message",
}


def spell_out(step: object) -> object:
    """`hangup`, `say: caller-1`, `interrupt: {…}` → `{kind: …, …}`."""
    if isinstance(step, str):
        return {"kind": step}
    if not isinstance(step, dict) or len(step) != 1:
        return step
    ((kind, value),) = step.items()
    if value is None:
        return {"kind": kind}
    if isinstance(value, dict):
        return {"kind": kind, **value}
    return {"kind": kind, _SHORT_FORMS.get(str(kind), "value"): value}


# One step as written in a script.
Step = Annotated[AnyStep, Field(discriminator="kind"), BeforeValidator(spell_out)]

Repeat.model_rebuild()
