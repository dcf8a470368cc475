"""When a process of the stack is started, restarted or ended: decisions only, no processes and no clock.

Feed it what happened with `feed(event, now)` (monotonic seconds) and perform the commands it returns. A process that
dies is restarted after a wait that doubles while it keeps dying. One that ends with code 0 was drained by somebody
and is replaced in the same way: a rolling restart by hand. One that ends with code 2 has a wrong setting, which a
restart would not mend, so everything ends. Stopping goes by role: edges first, because they hold the calls.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias, assert_never

from common import backoff
from common.lifecycle import EXIT_CONFIG

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
STABLE_S: Final = 30.0
"""A process that lived this long starts its waits anew when it dies."""


class Role(StrEnum):
    """What a process is for; it decides who starts and who ends first."""

    INFRASTRUCTURE = "infrastructure"
    WORKER = "worker"
    EDGE = "edge"
    FALLBACK = "fallback"
    ORCHESTRATOR = "orchestrator"


_START_ORDER: Final[tuple[frozenset[Role], ...]] = (
    frozenset({Role.INFRASTRUCTURE}),
    frozenset({Role.WORKER, Role.EDGE, Role.FALLBACK, Role.ORCHESTRATOR}),
)
_STOP_ORDER: Final[tuple[Role, ...]] = (
    Role.EDGE,
    Role.WORKER,
    Role.FALLBACK,
    Role.ORCHESTRATOR,
    Role.INFRASTRUCTURE,
)


# --- what happened ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """Supervision begins."""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """A process answered its readiness probe."""

    name: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A process ended; negative codes are signals, as in `subprocess`."""

    name: str
    code: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the stack to end: once to drain, twice to end at once."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time `next_deadline` named has come."""


Event: TypeAlias = Begun | BecameReady | Exited | StopAsked | Tick


# --- what to do -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Start this process."""

    name: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask this process to drain and end (SIGTERM)."""

    name: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End this process at once (SIGKILL)."""

    name: str


@dataclass(frozen=True, slots=True)
class AnnounceRestart:
    """Say that a process died, or with code 0 ended after a drain, and when it is started again."""

    name: str
    code: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class AnnounceMisconfigured:
    """Say that a process refused its settings; the stack ends."""

    name: str


@dataclass(frozen=True, slots=True)
class AnnounceDrain:
    """Say who is asked to end now and waited for."""

    names: tuple[str, ...]


Command: TypeAlias = Start | Terminate | Kill | AnnounceRestart | AnnounceMisconfigured | AnnounceDrain


class Phase(IntEnum):
    """How far the stack is in its life; it never goes back."""

    RUNNING = 0
    DRAINING = 1
    KILLING = 2


class Supervision:
    """The decisions for one stack. Feed `Begun` first; it is over when `is_over`."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._roles = dict(roles)
        self._phase = Phase.RUNNING
        self._wanted: set[str] = set()
        self._alive: dict[str, float] = {}
        self._ready: set[str] = set()
        self._asked_to_end: set[str] = set()
        self._due: dict[str, float] = {}
        self._waits: dict[str, Iterator[float]] = {}
        self.is_misconfigured = False
        """True once a process refused its settings: the stack should end with exit code 2."""

    @property
    def is_over(self) -> bool:
        """True when the stack was asked to end and nothing runs any more."""
        return self._phase is not Phase.RUNNING and not self._alive

    @property
    def is_stopping(self) -> bool:
        """True once the stack was asked to end."""
        return self._phase is not Phase.RUNNING

    def next_deadline(self) -> float | None:
        """When to feed `Tick`, if at all."""
        return min(self._due.values(), default=None)

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        """Take in what happened and say what to do."""
        match event:
            case Begun():
                return self._start_next_stage(now)
            case BecameReady(name):
                return self._on_ready(name, now)
            case Exited(name, code):
                return self._on_exit(name, code, now)
            case StopAsked():
                return self._on_stop()
            case Tick():
                return self._on_tick(now)
            case _:
                assert_never(event)

    def _start_next_stage(self, now: float) -> tuple[Command, ...]:
        """Start the first stage that has not been; the next one follows when all of it is ready."""
        for stage in _START_ORDER:
            names = [name for name, role in self._roles.items() if role in stage]
            new = [name for name in names if name not in self._wanted]
            if new:
                self._wanted.update(new)
                return tuple(self._start(name, now) for name in new)
            if not self._ready.issuperset(names):
                break
        return ()

    def _start(self, name: str, now: float) -> Start:
        self._alive[name] = now
        return Start(name)

    def _on_ready(self, name: str, now: float) -> tuple[Command, ...]:
        if name not in self._alive:
            return ()
        self._ready.add(name)
        return () if self.is_stopping else self._start_next_stage(now)

    def _on_exit(self, name: str, code: int, now: float) -> tuple[Command, ...]:
        started_at = self._alive.pop(name, now)
        self._ready.discard(name)
        if self._phase is Phase.KILLING:
            return ()
        if name in self._asked_to_end:
            return self._drain_next()
        if code == EXIT_CONFIG and not self.is_stopping:
            self.is_misconfigured = True
            self._phase = Phase.DRAINING
            return (AnnounceMisconfigured(name), *self._drain_next())
        return (self._schedule_restart(name, code, lived_s=now - started_at, now=now),)

    def _schedule_restart(self, name: str, code: int, *, lived_s: float, now: float) -> AnnounceRestart:
        """Also while draining: calls that still run need everything that has not been asked to end."""
        if lived_s >= STABLE_S or name not in self._waits:
            self._waits[name] = backoff.delays(FIRST_WAIT_S, LONGEST_WAIT_S)
        wait_s = next(self._waits[name])
        self._due[name] = now + wait_s
        return AnnounceRestart(name, code, wait_s)

    def _on_tick(self, now: float) -> tuple[Command, ...]:
        due = [name for name, at in self._due.items() if at <= now]
        for name in due:
            del self._due[name]
        return tuple(self._start(name, now) for name in due)

    def _on_stop(self) -> tuple[Command, ...]:
        if self._phase is Phase.RUNNING:
            self._phase = Phase.DRAINING
            return self._drain_next()
        self._phase = Phase.KILLING
        self._due.clear()
        return tuple(Kill(name) for name in self._alive)

    def _drain_next(self) -> tuple[Command, ...]:
        """Ask the first role that still has a process to end; while one of it remains, nothing more is asked."""
        for role in _STOP_ORDER:
            for name in [name for name in self._due if self._roles[name] is role]:
                del self._due[name]
            remaining = [name for name in self._alive if self._roles[name] is role]
            if remaining:
                new = tuple(name for name in remaining if name not in self._asked_to_end)
                self._asked_to_end.update(new)
                return (AnnounceDrain(new), *(Terminate(name) for name in new)) if new else ()
        return ()
