"""Admission: whether this edge can take one more call, and if not, why."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Refusal: TypeAlias = Literal["draining", "edge_full", "bus_down", "no_talker", "no_agent"]
Delay: TypeAlias = Literal["elsewhere", "edge_full", "bus_down"]
"""Why a running call cannot go on here at this moment; it is asked to come again."""

_SPARE_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Situation:
    """What admission looks at."""

    is_draining: bool
    calls: int
    max_calls: int
    is_bus_connected: bool
    free_slots: int
    is_room_elsewhere: bool = False
    """Another edge lives that is not draining."""


def refusal(situation: Situation) -> Refusal | None:
    """None: take the new call. Otherwise the reason, the one nearest to us first."""
    if situation.is_draining:
        return "draining"
    if situation.calls >= situation.max_calls:
        return "edge_full"
    if not situation.is_bus_connected:
        return "bus_down"
    if situation.free_slots <= 0:
        return "no_talker"
    return None


def delay(situation: Situation, *, is_here: bool) -> Delay | None:
    """None: let the running call go on here. `is_here`: this edge still has it, without its stream.

    A running call is worth more than a new one: it may use the spare room, it need not find a talker at once, and a
    draining edge keeps it when there is no other.
    """
    if situation.is_draining and situation.is_room_elsewhere:
        return "elsewhere"
    if is_here:
        return None
    if situation.calls >= situation.max_calls + spare(situation.max_calls):
        return "edge_full"
    if not situation.is_bus_connected:
        return "bus_down"
    return None


def spare(max_calls: int) -> int:
    """Room on top of `max_calls` for running calls that lost their edge: a tenth, and one at least."""
    return max(1, round(max_calls * _SPARE_SHARE))
