"""Which pool of talkers a call is offered to: where it belongs, where it is, and which of both was tried in vain.

Every call has a home, as a rule `realtime`; the other pool serves it on bad days. A search begins where the call is and
goes on as `IN_VAIN` says when a pool cannot be had: because its provider is down, a candidate failed or was late, or
because a few of its talkers in a row did not take the call. A call that may go home is offered there and nowhere else:
its talker can go on.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from common.messages.offers import HandoverReason
from common.subjects import Pool

OFFER_TRIES_AT_ONCE: Final = 3
"""A queue group keeps feeding a frozen member, so another member is asked at once a few times."""
FAILURES_AT_MOST: Final = 5
"""Talkers of a pool that failed upstream since the last one that spoke."""
FAILURES_IN_ALL: Final = 3 * FAILURES_AT_MOST
"""The other pool need not fail as well: it may be full."""


class Stage(Enum):
    """Where the search is."""

    REALTIME = auto()
    REALTIME_SOON = auto()
    """Once more where a session of this call has just failed: the caller waits, so it has to be there soon."""
    FALLBACK = auto()
    REALTIME_ANYHOW = auto()
    """Neither could be had: a bad chance is better than none."""
    HOME = auto()
    """The call has a talker that goes on if this comes to nothing."""


IN_VAIN: Final = {
    Stage.REALTIME: Stage.FALLBACK,
    Stage.REALTIME_SOON: Stage.FALLBACK,
    Stage.FALLBACK: Stage.REALTIME_ANYHOW,
    Stage.REALTIME_ANYHOW: Stage.FALLBACK,
    Stage.HOME: None,
}
"""Where the search goes on; None: nowhere."""

FIRST: Final[dict[Pool, Stage]] = {"realtime": Stage.REALTIME, "fallback": Stage.FALLBACK}
"""Where a search begins for a call that is in this pool."""

AFTER_FAILURE: Final[dict[tuple[Pool, bool], Stage]] = {
    ("realtime", True): Stage.REALTIME_SOON,
    ("realtime", False): Stage.FALLBACK,
    ("fallback", True): Stage.FALLBACK,
    ("fallback", False): Stage.REALTIME_ANYHOW,
}
"""Where it begins when the talker's provider failed, by the talker's pool and whether another session may work: not if
the one before it, that nobody has heard, has failed as well."""


class Next(Enum):
    """What to do about an offer that came to nothing."""

    AT_ONCE = auto()
    """Make the next one."""
    SOON = auto()
    """Make the next one after a pause: everybody was asked."""
    NEVER = auto()
    """Seek no further."""


@dataclass(frozen=True, slots=True)
class Course:
    """Where the next offer goes."""

    pool: Pool
    is_last_resort: bool


def pool_at(service_level: int, home: Pool) -> Pool:
    """Where a call is that is served at this level (`design.md` section 8), if nobody says it."""
    return "fallback" if service_level in (2, 3) else home


class Steering:
    """Of one call. Say what the search is for (`begin`), ask for its `course`, say how each offer ended."""

    def __init__(self, home: Pool, has_fallback: Callable[[], bool], pool: Pool | None = None) -> None:
        """`has_fallback`: whether there is another pool at all now. `pool`: where the call is, if not at home."""
        self._home = home
        self._has_fallback = has_fallback
        self._pool: Pool = pool or home
        self._offered: Pool = self._pool
        self._stage = FIRST[self._pool]
        self._tries = 0
        self._failures: Counter[Pool] = Counter()
        self._failed_beside = 0
        """Candidates of this search that failed while somebody else talked."""

    @property
    def home(self) -> Pool:
        """Where the call belongs."""
        return self._home

    @property
    def pool(self) -> Pool:
        """Where the call's talker is, or the last one was."""
        return self._pool

    @property
    def is_pressed(self) -> bool:
        """True if a candidate has to be ready soon: there is somebody else to ask."""
        return self._stage is Stage.REALTIME_SOON and self._has_fallback()

    def begin(self, reason: HandoverReason, *, is_retryable: bool = True) -> None:
        """A talker is sought. `is_retryable`: after a failure, whether another session of the pool may work."""
        self._tries = self._failed_beside = 0
        match reason:
            case HandoverReason.BREAKER_CLOSED:
                self._stage = Stage.HOME
            case HandoverReason.UPSTREAM_FAILED:
                is_first = self._failures[self._pool] <= 1
                self._stage = AFTER_FAILURE[self._pool, is_retryable and is_first]
            case _:
                self._stage = FIRST[self._pool]

    def press(self, reason: HandoverReason) -> None:
        """The talker was lost while another is sought: the search goes on from where it is, and may not end in vain."""
        if self._stage is Stage.HOME:
            self._stage = FIRST[self._home]
        if self._stage is Stage.REALTIME and reason is HandoverReason.UPSTREAM_FAILED:
            self._stage = Stage.REALTIME_SOON

    def course(self, *, is_silent: bool) -> Course:
        """Where to offer the call now. `is_silent`: nobody talks to the caller, so a bad chance may be taken."""
        if self._stage is Stage.HOME:
            self._offered = self._home if self._has_fallback() else "realtime"
            return Course(self._offered, is_last_resort=False)
        is_alone = not self._has_fallback()
        self._offered = "fallback" if self._stage is Stage.FALLBACK and not is_alone else "realtime"
        return Course(self._offered, is_alone or (is_silent and self._stage is Stage.REALTIME_ANYHOW))

    def failed(self, *, is_pools_fault: bool) -> Next:
        """The offer came to nothing. `is_pools_fault`: the others of the pool would do no better."""
        self._tries += 1
        is_alone = self._stage is not Stage.HOME and not self._has_fallback()
        if self._tries < OFFER_TRIES_AT_ONCE and (is_alone or not is_pools_fault):
            return Next.AT_ONCE
        self._tries = 0
        if is_alone:
            return Next.SOON
        before, after = self._stage, IN_VAIN[self._stage]
        if after is None:
            return Next.NEVER
        self._stage = after
        return Next.SOON if before is Stage.REALTIME_ANYHOW else Next.AT_ONCE

    def found(self) -> None:
        """The call was cut over to who took the last offer."""
        self._pool = self._offered

    def spoke(self) -> None:
        """The call's talker works."""
        self._failures.clear()

    def upstream_failed(self, *, is_candidate: bool, is_retryable: bool, is_silent: bool) -> bool:
        """The provider failed the talker, or the candidate. True if there is no use in seeking on.

        What fails beside a talker costs the caller nothing yet, and is not held against the pools when it is lost.
        """
        pool = self._offered if is_candidate else self._pool
        is_final = not self._has_fallback() and pool == "realtime" and not is_retryable
        if is_candidate and not is_silent:
            self._failed_beside += 1
            return is_final or self._failed_beside > FAILURES_AT_MOST
        self._failures[pool] += 1
        pools: tuple[Pool, ...] = ("realtime", "fallback") if self._has_fallback() else ("realtime",)
        have_all_failed = all(self._failures[each] > FAILURES_AT_MOST for each in pools)
        return is_final or have_all_failed or self._failures.total() > FAILURES_IN_ALL
