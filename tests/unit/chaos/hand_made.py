"""Recordings made by hand: one call of one caller, and the sessions that talked to it."""

from collections.abc import Sequence

from chaos.recorded import CELL_S, Call, CallerTurn, HeardRun, Item, Session, Span, Speech
from chaos.silences import ModelPace
from simulators.people.watermark import Run

CALLER = 1
PACE = ModelPace(turn_detection_s=0.5, first_audio_s=0.3)
ANSWER = "one two three four five six seven eight nine ten eleven twelve"
"""Six seconds of it: half a second a word."""
ANSWER_CELLS = 600


def seconds(cells: int) -> float:
    return cells * CELL_S


def heard(start_s: float, session: int, first_cell: int = 0, cells: int = ANSWER_CELLS) -> HeardRun:
    return HeardRun(start_s, session, first_cell, cells)


def turn(start_s: float, end_s: float, text: str = "hello there") -> CallerTurn:
    return CallerTurn(text, start_s, Span(start_s, end_s))


def call(
    heard: Sequence[HeardRun],
    turns: Sequence[CallerTurn] = (),
    *,
    ended_s: float = 60.0,
    streams: Sequence[Span] | None = None,
    clips: Sequence[Span] = (),
    failure: str | None = None,
    asked_again_s: tuple[float, ...] = (),
) -> Call:
    """A call whose first frame was at zero."""
    return Call(
        number=CALLER,
        failure=failure,
        first_frame_s=0.0,
        ended_s=ended_s,
        streams=tuple(streams if streams is not None else [Span(0.0, ended_s)]),
        turns=tuple(turns),
        audible=(*(Span(run.start_s, run.end_s) for run in heard), *clips),
        heard=tuple(heard),
        asked_again_s=asked_again_s,
    )


def speech(number: int = 0, text: str = ANSWER, started_s: float = 0.0) -> Speech:
    """The session's answer of that number, each of six seconds."""
    return Speech(text, ANSWER_CELLS * CELL_S * 1000, number * ANSWER_CELLS, started_s)


def session(
    number: int,
    *,
    answers: int = 1,
    items: Sequence[Item] = (),
    listened: Span | None = None,
    opened_s: float = 0.0,
    closed_s: float | None = None,
    updated_s: tuple[float, ...] = (),
    caller: int = CALLER,
) -> Session:
    """A session that was given what this caller said in `listened` (default: a minute from the start)."""
    span = listened if listened is not None else Span(0.0, 60.0)
    first, end = round(span.start_s / CELL_S), round(span.end_s / CELL_S)
    return Session(
        number=number,
        opened_s=opened_s,
        closed_s=closed_s,
        updated_s=updated_s,
        first_audio_s=span.start_s,
        items=tuple(items),
        speeches=tuple(speech(n) for n in range(answers)),
        caller_runs=(Run(0, caller, first, end - first),),
    )


def seeded(role: str, text: str, created_s: float = 0.0) -> Item:
    return Item(role, text, True, created_s)
