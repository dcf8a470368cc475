"""What was asked of the HTTP endpoints, for `GET /_sim/requests`."""

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from simulators.openai.faults.http_kinds import EndpointName
from simulators.openai.realtime.refusals import Json

MAX_ENTRIES: Final = 5000
KEY_SUFFIX: Final = 6


@dataclass(slots=True)
class Asked:
    """One request, with what became of it."""

    number: int
    """Among the requests of its endpoint, from 1; faults go by it."""
    endpoint: EndpointName
    request_id: str
    started_monotonic_s: float
    key_suffix: str = ""
    """The end of the key: enough to tell keys apart."""
    model: str = ""
    status: int | None = None
    """None: nothing was answered."""
    error_code: str | None = None
    message: str | None = None
    ended: Literal["running", "completed", "cut", "client_gone"] = "running"
    ended_monotonic_s: float | None = None
    first_byte_monotonic_s: float | None = None
    sent_bytes: int = 0
    faults: list[str] = field(default_factory=list)
    """Kinds of the faults it met."""
    asked: Json = field(default_factory=dict)
    """The parameters, but for the model; of an uploaded file its name, size, rate and duration."""
    answered: Json = field(default_factory=dict)
    """Chat: text, tool_calls, finish_reason; transcription: text and spans; speech: recordings, audio_ms, mark."""

    def describe(self) -> Json:
        """For the answer."""
        return asdict(self)


class RequestBook:
    """The newest requests, in the order they came."""

    def __init__(self) -> None:
        self._asked: deque[Asked] = deque(maxlen=MAX_ENTRIES)
        self._counts: Counter[EndpointName] = Counter()

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._asked)

    def begin(self, endpoint: EndpointName, request_id: str, key: str) -> Asked:
        """A request came."""
        self._counts[endpoint] += 1
        asked = Asked(self._counts[endpoint], endpoint, request_id, time.monotonic(), key[-KEY_SUFFIX:])
        self._asked.append(asked)
        return asked

    def forget(self) -> int:
        """Drop those that have ended; numbers go on."""
        running = [asked for asked in self._asked if asked.ended == "running"]
        forgotten = len(self._asked) - len(running)
        self._asked.clear()
        self._asked.extend(running)
        return forgotten
