"""What a call at this edge is made of: who calls, what the call was before, and what all calls share."""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Final

from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.profile import AgentProfile
from common.subjects import Pool
from edge.conversation import CallMemory
from edge.core.arbiter import REATTACH_WITHIN_S
from edge.core.arbitration import Talker
from edge.registry import Registry

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_WITHHELD: Final = frozenset({"+266696687", "+7378742833", "+2562533", "+86282452253", "+8656696", "+8566696"})
"""What Twilio writes instead: ANONYMOUS, RESTRICTED, BLOCKED, UNAVAILABLE, UNKNOWN (also misspelt) on a keypad."""


@dataclass(frozen=True)
class Caller:
    """Who calls whom."""

    call_id: str
    caller: str
    dialled: str
    profile: AgentProfile

    @property
    def number(self) -> str:
        """The caller's number in E.164; empty if it is withheld."""
        return self.caller if _NUMBER.fullmatch(self.caller) and self.caller not in _WITHHELD else ""


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
    home: Pool | None = None
    """The pool the call belongs to; None if it is not known."""


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
    choose_talker: Callable[[Pool, Set[str]], str | None] = lambda _pool, _without: None
    """A talker of the pool with room, none of those given; None if none is known."""
    pool_of: Callable[[str], Pool | None] = lambda _: None
    """The pool a talker is in; None if it is not known."""
    takes_calls: Callable[[Pool], bool] = lambda pool: pool == "realtime"
    """True if there is anybody in the pool who takes calls, be it that there is no room now."""
    home_of: Callable[[str, str], Pool] = lambda _call_id, _profile: "realtime"
    """Where a new call (id, and its profile's name) belongs. Asked once for each call."""
    is_fallback_enabled: Callable[[], bool] = lambda: True
    """Whether calls may be given to the pool `fallback`."""

    def has_fallback(self) -> bool:
        """Whether calls may be given to the pool `fallback`, and it is there."""
        return self.is_fallback_enabled() and self.takes_calls("fallback")
