"""Admission: whether this edge can take one more call, and if not, why."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Refusal: TypeAlias = Literal["draining", "edge_full", "bus_down", "no_talker", "no_agent"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What admission looks at."""

    is_draining: bool
    calls: int
    max_calls: int
    is_bus_connected: bool
    free_slots: int


def refusal(situation: Situation) -> Refusal | None:
    """None: take the call. Otherwise the reason, the one nearest to us first."""
    if situation.is_draining:
        return "draining"
    if situation.calls >= situation.max_calls:
        return "edge_full"
    if not situation.is_bus_connected:
        return "bus_down"
    if situation.free_slots <= 0:
        return "no_talker"
    return None
