"""Which endpoints of the pipeline's stages may be asked, as far as this process knows, and which are to be probed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from fallback.core.vocabulary import Stage, StagesChanged

Key: TypeAlias = tuple[Stage, str]
"""A stage and the name of one of its endpoints."""

PROBE_FIRST_S: Final = 1.0
PROBE_AT_MOST_S: Final = 30.0
"""Between two tries of an endpoint that failed: doubled each time, up to this."""
_THROTTLED_S: Final = 2.0
_RETRIES_SHARE: Final = 0.1
_RETRIES_AT_ONCE: Final = 3.0


class Trouble(Enum):
    """How an attempt failed, as far as it matters to the next one."""

    FAILED = "failed"
    """Unreachable, too slow, broke off, or answered nonsense."""
    SLOW = "slow"
    """It took too long. That may be our own doing, so it is believed when it happens twice with nothing between."""
    THROTTLED = "throttled"
    REJECTED = "rejected"
    """It refuses us for good: somebody has to act, so there is no hurry to try again."""


@dataclass(slots=True)
class _Standing:
    trouble: Trouble | None = None
    failures: int = 0
    probe_at: float = 0.0
    is_probed: bool = False
    is_suspect: bool = False
    """It was too slow, once."""


class StageHealth:
    """An endpoint that failed is not asked again until a probe, which keeps no caller waiting, has worked."""

    def __init__(self, endpoints: Mapping[Stage, Iterable[str]]) -> None:
        self._standings: dict[Key, _Standing] = {
            (stage, name): _Standing() for stage in Stage for name in endpoints.get(stage, ())
        }
        self._retries = dict.fromkeys(Stage, _RETRIES_AT_ONCE)

    def usable(self, stage: Stage, names: Sequence[str]) -> tuple[str, ...]:
        """Those of `names` that may be asked, in their order."""
        return tuple(name for name in names if self._standings[stage, name].trouble is None)

    def asked(self, stage: Stage) -> None:
        """A stage is asked something new: that earns a part of a retry."""
        self._retries[stage] = min(_RETRIES_AT_ONCE, self._retries[stage] + _RETRIES_SHARE)

    def may_retry(self, stage: Stage) -> bool:
        """True if the same endpoint may be asked a second time: only a tenth of what is asked may be repetition."""
        if self._retries[stage] < 1.0:
            return False
        self._retries[stage] -= 1.0
        return True

    def worked(self, stage: Stage, name: str) -> None:
        """The endpoint did what it was asked."""
        self._standings[stage, name] = _Standing()

    def failed(self, stage: Stage, name: str, trouble: Trouble, now: float, wait_s: float | None = None) -> None:
        """It did not. `wait_s`: how long it wants to be left alone, if it said.

        Many calls find out at the same time: only the first of them counts, and then each probe.
        """
        standing = self._standings[stage, name]
        if trouble is Trouble.SLOW and standing.trouble is None and not standing.is_suspect:
            standing.is_suspect = True
            return
        is_known = standing.trouble is not None and not standing.is_probed
        standing.trouble = trouble
        if is_known:
            return
        standing.is_probed = False
        standing.failures += 1
        standing.probe_at = now + min(PROBE_AT_MOST_S, self._pause_s(standing, wait_s))

    def _pause_s(self, standing: _Standing, wait_s: float | None) -> float:
        match standing.trouble:
            case Trouble.THROTTLED:
                return _THROTTLED_S if wait_s is None else wait_s
            case Trouble.REJECTED:
                return PROBE_AT_MOST_S
            case _:
                return PROBE_FIRST_S * 2.0 ** min(standing.failures - 1, 10)

    def take_probes(self, now: float) -> tuple[Key, ...]:
        """The endpoints to try out now; each is handed out once, until `worked` or `failed` is told of it."""
        due = tuple(
            key
            for key, standing in self._standings.items()
            if standing.trouble is not None and not standing.is_probed and now >= standing.probe_at
        )
        for key in due:
            self._standings[key].is_probed = True
        return due

    @property
    def troubled(self) -> frozenset[Key]:
        """The endpoints that are not to be asked now."""
        return frozenset(key for key, standing in self._standings.items() if standing.trouble is not None)

    @property
    def standing(self) -> StagesChanged:
        """Whether every stage has an endpoint that may be asked."""
        return self.standing_of({stage: [name for of, name in self._standings if of is stage] for stage in Stage})

    def standing_of(self, endpoints: Mapping[Stage, Sequence[str]]) -> StagesChanged:
        """The same of some of the endpoints: those an agent names."""
        down = [stage for stage in Stage if not self.usable(stage, endpoints[stage])]
        troubles = {self._standings[stage, name].trouble for stage in down for name in endpoints[stage]}
        return StagesChanged(not down, is_throttled=troubles == {Trouble.THROTTLED})

    def is_up(self, stage: Stage) -> bool:
        """True if the stage has an endpoint that may be asked."""
        return any(each.trouble is None for (of, _), each in self._standings.items() if of is stage)
