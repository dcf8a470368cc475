"""The turns a session was told: the caller may still be hearing one of them, from the talker before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from talker.core.seeding import Step
from talker.port import AddTurn, DeleteItem


@dataclass(slots=True)
class _Told:
    turn_id: str
    item_id: str
    """What it is called in the session now; empty: it was taken out."""
    text: str
    is_agent: bool


class SeededTurns:
    """Corrects the session's memory of them, which is text and cannot be truncated."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._told = [_told(step) for step in steps if step.item_id]

    def __contains__(self, turn_id: str) -> bool:
        return any(told.turn_id == turn_id for told in self._told)

    def heard(self, turn_id: str, text: str) -> Iterator[DeleteItem | AddTurn]:
        """The caller heard this much of the agent's turn, and nothing of the agent's turns after it."""
        before, is_after_cut = "", False
        for told in self._told:
            if told.turn_id == turn_id:
                yield from _replaced(told, text, before)
                is_after_cut = True
            elif is_after_cut and told.is_agent:
                yield from _replaced(told, "", before)
            before = told.item_id or before


def _told(step: Step) -> _Told:
    is_agent = isinstance(step, AddTurn) and step.speaker == "agent"
    return _Told(step.item_id, step.item_id, step.text if isinstance(step, AddTurn) else "", is_agent)


def _replaced(told: _Told, text: str, before: str) -> Iterator[DeleteItem | AddTurn]:
    if not told.is_agent or not told.item_id or text.strip() == told.text.strip():
        return
    yield DeleteItem(told.item_id)
    told.text, told.item_id = text, f"{told.item_id}_heard" if text.strip() else ""
    if told.item_id:
        yield AddTurn("agent", text, told.item_id, after=before)
