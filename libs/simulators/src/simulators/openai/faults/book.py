"""The faults that are set now, and which session or request meets which."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from simulators.openai.faults.http_kinds import (
    GARBAGE_OF,
    HTTP_FAULTS,
    EndpointName,
    HttpFault,
    HttpGarbage,
)
from simulators.openai.faults.kinds import BlackHole, ConnectDelay, Fault, RealtimeFault, RefuseUpgrade
from simulators.openai.realtime.refusals import Json

HANDSHAKE: Final = (RefuseUpgrade, ConnectDelay)
_ROUNDING: Final = 1e-9
"""So that ten tenths are one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A session that faults are matched against."""

    number: int
    session_id: str
    key: str
    model: str


@dataclass(frozen=True, slots=True)
class HttpSubject:
    """A request that faults are matched against; `number` counts those of its endpoint."""

    number: int
    endpoint: EndpointName
    key: str
    model: str


@dataclass(slots=True, eq=False)
class Entry:
    """One fault that was set; shared by all it meets, so that `times` counts over all of them."""

    entry_id: int
    fault: Fault
    remaining: int | None
    met: int = 0
    fitting: int = 0
    """Requests it could have met, while it was live."""
    is_cleared: bool = False

    @property
    def is_live(self) -> bool:
        """It may still happen."""
        return not self.is_cleared and self.remaining != 0

    def use(self) -> bool:
        """Let it happen once; False if it may not."""
        if not self.is_live:
            return False
        self.met += 1
        if self.remaining is not None:
            self.remaining -= 1
        return True

    def use_in_turn(self, share: float) -> bool:
        """Let it happen to this part of all that fit, evenly; False if this one is spared."""
        if not self.is_live:
            return False
        self.fitting += 1
        return int(self.fitting * share + _ROUNDING) > int((self.fitting - 1) * share + _ROUNDING) and self.use()

    def describe(self) -> Json:
        """For `GET /_sim/faults`."""
        return {"id": self.entry_id, "fault": self.fault.model_dump(), "remaining": self.remaining, "met": self.met}


class HttpMeeting(NamedTuple):
    """A fault that happens to a request, and how many it has met before."""

    fault: HttpFault
    met_before: int


class FaultBook:
    """Faults in the order set. Sessions hold the `Entry` objects; clearing an entry reaches them too."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._entries: list[Entry] = []
        self._count = 0
        for fault in faults:
            self.add(fault)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def add(self, fault: Fault) -> Entry:
        """Set a fault. Arm running sessions with it yourself, where `meets_running` says so."""
        self._count += 1
        entry = Entry(self._count, fault, fault.times)
        self._entries.append(entry)
        return entry

    def clear(self) -> int:
        """End all faults; how many there were. What has happened (a black hole, too) stays."""
        for entry in self._entries:
            entry.is_cleared = True
        cleared, self._entries = len(self._entries), []
        return cleared

    def handshake(self, subject: Subject) -> list[Entry]:
        """The faults that meet a connection before it is upgraded."""
        return [entry for entry in self._meeting_new(subject) if is_handshake(entry.fault)]

    def of_new_session(self, subject: Subject) -> list[Entry]:
        """The faults a session that opens now carries with it."""
        return [entry for entry in self._meeting_new(subject) if not is_handshake(entry.fault)]

    def of_request(self, subject: HttpSubject) -> Iterator[HttpMeeting]:
        """The faults that happen to this request now, the first of each kind; each is used by being taken."""
        taken: set[str] = set()
        for entry in self._entries:
            fault = entry.fault
            if not isinstance(fault, HTTP_FAULTS) or fault.kind in taken or not _meets(fault, subject):
                continue
            if entry.use_in_turn(fault.share):
                taken.add(fault.kind)
                yield HttpMeeting(fault, entry.met - 1)

    def _meeting_new(self, subject: Subject) -> Iterator[Entry]:
        return (
            entry
            for entry in self._entries
            if entry.is_live
            and not isinstance(entry.fault, HTTP_FAULTS)
            and entry.fault.target.sessions != "running"
            and _fits(entry.fault, subject)
        )


def meets_running(fault: Fault, subject: Subject) -> bool:
    """Whether a fault set now also meets this session that is open already."""
    if isinstance(fault, HTTP_FAULTS) or is_handshake(fault):
        return False
    return fault.target.sessions != "new" and _fits(fault, subject)


def is_handshake(fault: Fault) -> bool:
    """It concerns the upgrade, not the session."""
    return isinstance(fault, HANDSHAKE) or (isinstance(fault, BlackHole) and fault.stage == "handshake")


def _meets(fault: HttpFault, subject: HttpSubject) -> bool:
    target = fault.target
    return (
        target.endpoint in ("any", subject.endpoint)
        and (not target.numbers or subject.number in target.numbers)
        and target.key in (None, subject.key)
        and target.model in (None, subject.model)
        and (not isinstance(fault, HttpGarbage) or subject.endpoint in GARBAGE_OF[fault.what])
    )


def _fits(fault: RealtimeFault, subject: Subject) -> bool:
    target = fault.target
    return (
        (not target.numbers or subject.number in target.numbers)
        and target.key in (None, subject.key)
        and target.model in (None, subject.model)
        and target.session_id in (None, subject.session_id)
    )
