"""What the peers recorded of a round: the carrier's calls and the model's sessions, as the judge reads them.

All times are CLOCK_MONOTONIC seconds of this machine, so those of different processes can be compared. Whose audio was
heard where is known to 10 ms by the watermarks (`simulators.people.watermark`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.people.watermark import CELL_BYTES, Run

Json = Mapping[str, Any]

CELL_S: Final = CELL_BYTES / 8000
CELLS_PER_FRAME: Final = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class HeardRun:
    """Speech of one model session as the caller heard it, without a gap."""

    start_s: float
    session: int
    first_cell: int
    cells: int

    @property
    def end_s(self) -> float:
        """When its last cell had sounded."""
        return self.start_s + self.cells * CELL_S

    @property
    def end_cell(self) -> int:
        """The cell after its last."""
        return self.first_cell + self.cells


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """One recording the caller spoke, and where in time speech can be heard in it."""

    text: str
    start_s: float
    speech: Span


@dataclass(frozen=True, slots=True)
class Call:
    """One phone call as the carrier and the caller saw it."""

    number: int
    """The caller's, which watermarks everything the caller says: cell `2 n` begins `n` frames after `first_frame_s`."""
    failure: str | None
    """Why it did not go as scripted."""
    first_frame_s: float
    ended_s: float
    streams: tuple[Span, ...]
    turns: tuple[CallerTurn, ...]
    audible: tuple[Span, ...]
    """Whatever could be heard of our side, marked or not."""
    heard: tuple[HeardRun, ...]
    asked_again_s: tuple[float, ...] = ()
    """When the carrier fetched a further document: it wants to know how to go on."""
    streams_refused: int = 0
    side_sockets: tuple[str, ...] = ()
    """How each second socket for this call ended: `refused`, or how its close came about."""
    late_frames: int = 0

    def cell_at(self, at_s: float) -> int:
        """The cell of the caller's audio that began to be said at this moment."""
        return round((at_s - self.first_frame_s) / CELL_S)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a session's conversation at its end."""

    role: str | None
    text: str
    is_seeded: bool
    created_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """One answer of the model: what it was going to say, whole, and its cells."""

    text: str
    audio_ms: float
    first_cell: int
    started_s: float

    @property
    def cells(self) -> int:
        """How many there are."""
        return int(self.audio_ms // (CELL_S * 1000))

    @property
    def end_cell(self) -> int:
        """The cell after its last."""
        return self.first_cell + self.cells


@dataclass(frozen=True, slots=True)
class Session:
    """One session with the model as the model saw it."""

    number: int
    opened_s: float
    closed_s: float | None
    updated_s: tuple[float, ...] = ()
    first_audio_s: float | None = None
    """When the first caller audio came."""
    items: tuple[Item, ...] = ()
    speeches: tuple[Speech, ...] = ()
    dark_s: float | None = None
    """From when on it answered nothing and kept nothing, as it was told to by the fault."""
    caller_runs: tuple[Run, ...] = ()
    """Whose voice it was given, and which of it."""
    tools_asked: tuple[str, ...] = ()
    """The call ids of the functions it called."""
    tools_returned: tuple[str, ...] = ()
    """The call ids of the results it was given for its own calls, each time."""

    @property
    def caller(self) -> int | None:
        """Whom it listened to; None if to nobody."""
        cells: dict[int, int] = {}
        for run in self.caller_runs:
            cells[run.number] = cells.get(run.number, 0) + run.cells
        return max(cells, key=lambda number: cells[number]) if cells else None


@dataclass(frozen=True, slots=True)
class Recordings:
    """Everything the judge is given of one round."""

    calls: tuple[Call, ...]
    sessions: tuple[Session, ...]
    unplaced: tuple[str, ...] = field(default=())
    """Calls that could not even be placed: why."""


def read_call(number: int, result: Json, heard: Sequence[Sequence[int]]) -> Call:
    """A call from the carrier's result (`CallResult.as_json`) and the marks in what was heard since its time zero."""
    zero_s = result["zero_monotonic_s"]
    documents = sorted(each["fetched_monotonic_s"] for each in result["twilio_documents"])
    return Call(
        number=number,
        failure=result["failure"],
        first_frame_s=result["first_frame_monotonic_s"],
        ended_s=result["ended_monotonic_s"],
        streams=tuple(Span(each["attached_monotonic_s"], each["ended_monotonic_s"]) for each in result["streams"]),
        turns=tuple(_turn(each) for each in result["caller_turns"]),
        audible=tuple(Span(each["start_monotonic_s"], each["end_monotonic_s"]) for each in result["agent_audible"]),
        heard=tuple(HeardRun(zero_s + at / 8000, session, first, cells) for at, session, first, cells in heard),
        asked_again_s=tuple(documents[1:]),
        streams_refused=sum(each["code"] in _STREAM_REFUSED for each in result["notices"]),
        side_sockets=tuple(_side_socket(each) for each in result["side_sockets"]),
        late_frames=result["late_frames"],
    )


def read_session(record: Json) -> Session:
    """A session from the simulator's record (`GET /_sim/sessions?marks=1`)."""
    items = record["items"]
    audio = record["caller_audio"]
    return Session(
        number=record["number"],
        opened_s=record["opened_monotonic_s"],
        closed_s=record["closed_monotonic_s"],
        updated_s=tuple(record["updated_monotonic_s"]),
        first_audio_s=audio["first_monotonic_s"],
        items=tuple(
            Item(each["role"], each["text"], each["source"] == "seeded", each["created_monotonic_s"]) for each in items
        ),
        speeches=tuple(_speeches(record["responses"])),
        dark_s=next((each["at_monotonic_s"] for each in record["faults"] if each["kind"] == "black_hole"), None),
        caller_runs=tuple(Run(*run) for run in audio["marks"]),
        tools_asked=(asked := tuple(_tools(items, "function_call"))),
        tools_returned=tuple(
            each["call_id"] for each in items if each["type"] == "function_call_output" and each["call_id"] in asked
        ),
    )


_STREAM_REFUSED: Final = frozenset({31901, 31902, 31910, 31920})


def _turn(turn: Json) -> CallerTurn:
    speech = Span(turn["speech_start_monotonic_s"], turn["speech_end_monotonic_s"])
    return CallerTurn(turn["text"], turn["start_monotonic_s"], speech)


def _side_socket(socket: Json) -> str:
    return "refused" if socket["refused"] is not None else str(socket["ended_how"])


def _speeches(responses: Sequence[Json]) -> list[Speech]:
    return [
        Speech(planned["text"], planned["audio_ms"], planned["first_cell"], response["started_monotonic_s"])
        for response in responses
        if (planned := response["planned"]) is not None and planned["first_cell"] is not None
    ]


def _tools(items: Sequence[Json], kind: str) -> list[str]:
    return [each["call_id"] for each in items if each["type"] == kind and each["source"] == "live"]
