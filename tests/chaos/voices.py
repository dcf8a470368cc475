"""Who was heard when: sessions in the order the caller met them, and frames of one that spoke out of turn."""

from collections.abc import Mapping, Sequence

from chaos.recorded import CELLS_PER_FRAME, HeardRun, Session


def order_heard(heard: Sequence[HeardRun]) -> list[int]:
    """The sessions of a call in the order in which the caller first heard them."""
    return list(dict.fromkeys(run.session for run in heard))


def double_talk_frames(heard: Sequence[HeardRun]) -> int:
    """Frames of 20 ms (begun ones count) of a session that was heard after a later one of the same call."""
    return sum(-(-run.cells // CELLS_PER_FRAME) for run in _out_of_turn(heard))


def repeated_frames(heard: Sequence[HeardRun]) -> int:
    """Frames of one session's speech that the caller heard a second time."""
    played: dict[int, set[int]] = {}
    repeated = 0
    for run in heard:
        cells = set(range(run.first_cell, run.end_cell))
        repeated += len(cells & played.setdefault(run.session, set()))
        played[run.session] |= cells
    return -(-repeated // CELLS_PER_FRAME)


def foreign_frames(heard: Sequence[HeardRun], caller: int, sessions: Mapping[int, Session]) -> int:
    """Frames of a session that listened to somebody else: another call's agent."""
    foreign = [run for run in heard if _listened_to(run.session, sessions) not in (None, caller)]
    return sum(-(-run.cells // CELLS_PER_FRAME) for run in foreign)


def _out_of_turn(heard: Sequence[HeardRun]) -> list[HeardRun]:
    met: list[int] = []
    stale: list[HeardRun] = []
    for run in heard:
        if run.session not in met:
            met.append(run.session)
        elif run.session != met[-1]:
            stale.append(run)
    return stale


def _listened_to(number: int, sessions: Mapping[int, Session]) -> int | None:
    session = sessions.get(number)
    return session.caller if session is not None else None
