"""What a call at this edge is made of: who calls, what the call was before, and what all calls share."""

from collections.abc import Callable, Set
from dataclasses import dataclass

from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.profile import AgentProfile
from edge.conversation import CallMemory
from edge.core.arbiter import REATTACH_WITHIN_S
from edge.core.arbitration import Talker
from edge.registry import Registry


@dataclass(frozen=True)
class Caller:
    """Who calls whom."""

    call_id: str
    caller: str
    dialled: str
    profile: AgentProfile


@dataclass(frozen=True)
class Before:
    """What the call was before this stream came: it goes on from there."""

    memory: CallMemory
    last_epoch: int
    talker: Talker | None
    """Who may be adopted."""
    clock_ms: int
    """The call's clock where the new stream begins."""
    started_at: str = ""
    """Wall clock, ISO 8601 UTC; empty if it is not known."""


@dataclass(frozen=True)
class Surroundings:
    """What every call of this edge shares."""

    edge_id: str
    bus: Bus
    facts: FactWriter
    audio: Batcher
    registry: Registry
    reattach_within_s: float = REATTACH_WITHIN_S
    is_held: Callable[[str], bool] = lambda _: False
    """True for a talker that would be given up, were there no doubt about us or the bus."""
    missed_since: Callable[[str], float | None] = lambda _: None
    """A talker's last sign of life (monotonic), if it has left a question unanswered since."""
    choose_talker: Callable[[Set[str]], str | None] = lambda _: None
    """A talker with room, none of those given; None if none is known."""
