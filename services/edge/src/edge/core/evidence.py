"""What tells of talkers and of ourselves, and what `edge.core.suspicion` makes of it: its events and commands."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Evidence(StrEnum):
    """Why a talker is held to be lost."""

    NO_RESPONDERS = "no_responders"
    FAREWELL = "farewell"
    SILENCE = "silence"


class Doubt(StrEnum):
    """Why the evidence may tell of us, or of the bus, instead of the talker."""

    BUS_AWAY = "bus_away"
    BUS_EVENT = "bus_event"
    OWN_LAG = "own_lag"
    MASS_SILENCE = "mass_silence"


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShowedLife:
    """A heartbeat of the talker, or any answer."""

    talker_id: str


@dataclass(frozen=True, slots=True)
class SaidFarewell:
    """The talker ends on purpose."""

    talker_id: str


@dataclass(frozen=True, slots=True)
class NobodyThere:
    """NATS says that nobody takes what was addressed to the talker."""

    talker_id: str


@dataclass(frozen=True, slots=True)
class BusAnswered:
    """What we sent to ourselves came back: the bus carries messages, both ways."""


@dataclass(frozen=True, slots=True)
class BusChanged:
    """Our connection came or went, its answers are late or on time again, or the bus's topology changed."""

    is_well: bool
    has_moved: bool = True
    """Subscriptions may have gone and come. False: only the answers changed."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; this call comes so much later than it was due."""

    late_s: float = 0.0


Event: TypeAlias = ShowedLife | SaidFarewell | NobodyThere | BusAnswered | BusChanged | Tick

# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the talker whether it is there. An answer is `ShowedLife`, nobody there `NobodyThere`, silence nothing."""

    talker_id: str


@dataclass(frozen=True, slots=True)
class ProbeBus:
    """Send ourselves a message; when it comes it is `BusAnswered`."""


@dataclass(frozen=True, slots=True)
class DeclareLost:
    """The talker is gone: replace it in every call. Said once until it shows life again."""

    talker_id: str
    evidence: Evidence
    silent_s: float | None
    """Since its last sign of life; None if it never showed any."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Talkers are missed but not given up (`Suspicion.held` names them)."""

    why: Doubt


@dataclass(frozen=True, slots=True)
class Resume:
    """Nobody is held any more: each has shown life, or is lost."""


Command: TypeAlias = Probe | ProbeBus | DeclareLost | Hold | Resume
