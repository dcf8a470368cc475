"""The faults of the HTTP endpoints: chat completions, transcription, speech."""

from typing import Final, Literal, TypeAlias

from pydantic import Field

from simulators.openai.faults.strict import Strict

EndpointName = Literal["chat", "transcription", "speech"]
Garbage = Literal["html", "empty", "endless", "invalid_json", "error_event", "empty_audio", "not_audio", "wrong_rate"]
_ALL: Final[tuple[EndpointName, ...]] = ("chat", "transcription", "speech")
GARBAGE_OF: Final[dict[Garbage, tuple[EndpointName, ...]]] = {
    "html": _ALL,
    "empty": _ALL,
    "endless": _ALL,
    "invalid_json": ("chat", "transcription"),
    "error_event": ("chat",),
    "empty_audio": ("speech",),
    "not_audio": ("speech",),
    "wrong_rate": ("speech",),
}
"""Which endpoints can answer it; the others do not meet the fault."""


class HttpTarget(Strict):
    """Which requests a fault meets; all that is given must hold."""

    endpoint: EndpointName | Literal["any"] = "any"
    numbers: tuple[int, ...] = ()
    """The nth requests of their endpoint, from 1 (`number` in `/_sim/requests`); none given: any."""
    key: str | None = None
    """API key of the request."""
    model: str | None = None


class _HttpFault(Strict):
    target: HttpTarget = HttpTarget()
    times: int | None = Field(None, ge=1)
    """So often in total; absent: without end. A client that tries again makes a request of its own."""
    share: float = Field(1.0, gt=0, le=1)
    """Of the requests it could meet it meets these, evenly: 0.25 is each fourth."""


class HttpStatus(_HttpFault):
    """Answer with an error."""

    kind: Literal["http_status"]
    status: int = Field(503, ge=400, le=599)
    code: str | None = None
    message: str | None = None
    """Absent, as `code`: what the API says with this status."""
    retry_after_s: float | None = Field(None, ge=0)
    """The header `retry-after`."""
    is_html: bool = False
    """An HTML page, as proxies answer, rather than JSON."""


class HttpSlow(_HttpFault):
    """Wait so long before the first byte, beside what the answer takes."""

    kind: Literal["http_slow"]
    ms: int = Field(ge=0)
    growth_ms: int = Field(0, ge=0)
    """Each request it meets waits so much longer than the one before: an outage that creeps in."""


class HttpBlackHole(_HttpFault):
    """Take the request, never answer."""

    kind: Literal["http_black_hole"]


class HttpCut(_HttpFault):
    """Cut the connection in the middle of the answer; one that ends sooner is cut before its end is told."""

    kind: Literal["http_cut"]
    after_chunks: int = Field(1, ge=0)
    """Chunks of a stream; an answer in one piece is cut in its middle."""
    after_bytes: int | None = Field(None, ge=0)
    """Of the body; goes before `after_chunks`."""


class HttpGarbage(_HttpFault):
    """Answer 200 with something that is no answer.

    `error_event` is an error told in the middle of a stream. `wrong_rate` is speech at 16 instead of 24 kHz; a WAV says
    so in its header.
    """

    kind: Literal["http_garbage"]
    what: Garbage = "html"


HttpFault: TypeAlias = HttpStatus | HttpSlow | HttpBlackHole | HttpCut | HttpGarbage
HTTP_FAULTS: Final = (HttpStatus, HttpSlow, HttpBlackHole, HttpCut, HttpGarbage)
