"""How far a session has become the talker of its call: a table of every move."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Phase(Enum):
    """What the session is to the call."""

    CANDIDATE = "candidate"
    """Open, and not the talker: caller audio is kept, nothing is said."""
    REPLAYING = "replaying"
    """The talker, told what was said; what the caller said last is still being replayed to it."""
    SETTLING = "settling"
    """Everything is replayed; from the provider's word on the model answers by itself."""
    TALKING = "talking"


class Step(Enum):
    """What moves it."""

    GREETED = "greeted"
    """Became the talker of a call that has just begun: there is nothing to tell."""
    SEEDED = "seeded"
    """Became the talker of a running call."""
    CAUGHT_UP = "caught_up"
    CONFIGURED = "configured"
    ENDED = "ended"
    """The speech session is gone."""


_P, _S = Phase, Step

PHASES: Final[Mapping[tuple[Phase, Step], Phase]] = {
    (_P.CANDIDATE, _S.GREETED): _P.TALKING,
    (_P.CANDIDATE, _S.SEEDED): _P.REPLAYING,
    (_P.CANDIDATE, _S.ENDED): _P.CANDIDATE,
    (_P.REPLAYING, _S.CAUGHT_UP): _P.SETTLING,
    (_P.REPLAYING, _S.ENDED): _P.CANDIDATE,
    (_P.SETTLING, _S.CONFIGURED): _P.TALKING,
    (_P.SETTLING, _S.ENDED): _P.CANDIDATE,
    (_P.TALKING, _S.ENDED): _P.CANDIDATE,
}
