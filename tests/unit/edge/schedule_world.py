"""A small world around the arbiter: edges, two pools of talkers, a carrier, a registry and a bus that fails.

All of it in virtual time.

The arbiters are the real ones. Everything else is a few lines that do what the shells and the talkers do. What must
hold in every schedule is asserted where it happens; `World.settle` says what must hold once nothing fails any more.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Literal, TypeVar, assert_never

from common.messages.commands import EndReason
from common.messages.offers import PLANNED, HandoverReason
from common.subjects import Pool
from edge.core import arbitration
from edge.core.arbiter import QUIET_WITHIN_S, Arbiter
from edge.core.arbitration import Talker
from edge.core.past import Past
from edge.core.steering import Steering

T = TypeVar("T")

MAX_CALL_S = 3_600.0
OFFER_WITHIN_S = 0.15
ADOPT_WITHIN_S = 0.25
READY_WITHIN_S = 1.0
STANDING_WITHIN_S = 0.5
ASK_WITHIN_S = 0.15
LONGEST_OUTAGE_S = 8.0
ASK_AFTER_S = 3.0
LEAVE_AFTER_S = 30.0
WAIT_AGAIN_S = 2.0
FOUND_WITHIN_S = 5.0
"""So long a talker must have worked to have been found in time among others that fail."""
TALKER_WITHIN_S = 8.0
"""Once nothing fails any more. The slowest way: a candidate that will not get ready, then a few offers."""


@dataclass(frozen=True)
class Weather:
    """What goes wrong in a kind of schedule, and how often messages do."""

    name: str
    faults: tuple[str, ...]
    lost: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    fallback: float = 0.5
    """How often there is a pool `fallback`."""
    every_s: float = 0.4
    """How soon one thing follows the other."""

    @property
    def delivers(self) -> bool:
        """True if every message arrives, once and in time."""
        return not (self.lost or self.late or self.twice)


@dataclass
class Process:
    """Something on the bus."""

    name: str
    is_dead: bool = False
    is_away: bool = False
    hung_until: float = 0.0

    @property
    def is_on_bus(self) -> bool:
        """True if what is addressed to it arrives, or waits for it to thaw."""
        return not self.is_dead and not self.is_away


@dataclass(frozen=True)
class Cut:
    """What an edge tells a talker when it makes it the current one."""

    said: frozenset[int]
    revision: int


@dataclass(frozen=True)
class Verdict:
    """An edge's answer to a talker that is ready. No cut: it may wait for one, or go."""

    cut: Cut | None = None
    may_wait: bool = False


@dataclass(frozen=True)
class Answer:
    """A talker's answer to an offer. No taker: it refuses."""

    taker: str = ""
    is_provider_down: bool = False


@dataclass(eq=False)
class Session:
    """One talker's part in the call. It speaks as long as it believes that its epoch is the current one."""

    talker: "TalkerProcess"
    epoch: int
    edge: "EdgeProcess"
    phase: Literal["candidate", "talking", "closed"] = "candidate"
    heard_at: float = 0.0
    known: set[int] = field(default_factory=set)
    adopted_by: tuple[int, str] | None = None

    @property
    def id(self) -> Talker:
        """As the arbiter names it."""
        return Talker(self.talker.name, self.epoch)


@dataclass
class TalkerProcess(Process):
    """A member of the pool."""

    sessions: list[Session] = field(default_factory=list)
    pool: Pool = "realtime"
    is_draining: bool = False
    is_lame: bool = False
    """Its sessions never open."""
    is_failing: bool = False
    """Its provider gives it no session."""
    is_provider_down: bool = False
    """Its breakers are open: it takes a call only as a last resort."""
    was_lame_at: float = -1.0
    was_troubled_at: float = -1.0
    """When anything was wrong with it the last time."""

    def session(self, epoch: int, edge: "EdgeProcess") -> Session | None:
        """The one of this number, if it is open."""
        for session in self.sessions:
            if session.epoch == epoch and session.edge is edge and session.phase != "closed":
                return session
        return None


@dataclass(eq=False)
class Leg:
    """One stream of the carrier."""

    is_alive: bool = True


@dataclass(eq=False)
class EdgeCall:
    """The call at one edge, as `edge.session` carries it."""

    edge: "EdgeProcess"
    leg: Leg
    arbiter: Arbiter
    said: int
    """How many facts of what the caller said it knows; they come in order."""
    revision: int
    ring: list[int] = field(default_factory=list)
    addressed: Talker | None = None
    is_legless: bool = False
    is_quiet: bool = False
    ticks_at: float = 0.0
    end: EndReason | None = None
    numbered: int = 0
    """The highest epoch given out before or here."""
    took_on: set[Talker] = field(default_factory=set)
    """Whoever accepted, or was asked to go on: each must be current, or be told that it is over."""
    passed: dict[Pool, set[str]] = field(default_factory=lambda: {"realtime": set(), "fallback": set()})
    """Who was offered the call in this search already."""
    alone_since: float | None = 0.0
    """Since when nobody talks, or could be reached."""
    waiting: set[Talker] = field(default_factory=set)
    released: set[Talker] = field(default_factory=set)


@dataclass
class EdgeProcess(Process):
    """An edge that may carry the call."""

    call: EdgeCall | None = None
    is_joining: bool = False
    known_revision: int = -1


@dataclass
class Entry:
    """What the registry holds."""

    edge: EdgeProcess
    epoch: int
    talker_id: str
    revision: int


class World:
    """One schedule. Make it, `run` it, `settle` it."""

    def __init__(self, seed: str, weather: Weather) -> None:
        self.random = Random(seed)
        self.weather = weather
        self.now = 0.0
        self.edges = [EdgeProcess(name) for name in ("edge-1", "edge-2")]
        self.talkers = [TalkerProcess(name) for name in ("a", "b", "c")]
        if self.random.random() < weather.fallback:
            self.talkers += [TalkerProcess(name, pool="fallback") for name in ("f", "g")]
        self.home: Pool = "fallback" if self.random.random() < 0.2 else "realtime"
        self.carried: list[EdgeCall] = []
        self.entry: Entry | None = None
        self.stream: list[int] = []
        self.epochs: list[Talker] = []
        """The facts that are durable: what the caller said, and who talked."""
        self.revision = 0
        self.given_revision = 0
        self.utterances = 0
        self.heard_epoch = 0
        self.heard = 0
        self.cuts = 0
        self.adoptions = 0
        self.in_fallback = 0
        self.abandoned = 0
        self.is_fine = False
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    # --- time and the bus -------------------------------------------------------------------------------------------

    def after(self, wait_s: float, action: Callable[[], None]) -> None:
        """Do `action` that much later."""
        heapq.heappush(self._queue, (self.now + wait_s, next(self._count), action))

    def _run_until(self, until: float) -> None:
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _, action = heapq.heappop(queue)
            action()
        self.now = until

    def _latency(self) -> float:
        if not self.is_fine and self.random.random() < self.weather.late:
            return self.random.uniform(0.05, 2.5)
        return self.random.uniform(0.0005, 0.005)

    def tell(self, sender: Process, receiver: Process, action: Callable[[], None]) -> None:
        """One message; it may come late, twice, out of order, or not at all."""
        if not sender.is_on_bus:
            return
        copies = 1
        if not self.is_fine:
            chance = self.random.random()
            copies = 0 if chance < self.weather.lost else 2 if chance > 1 - self.weather.twice else 1
        for _ in range(copies):
            self.after(self._latency(), lambda: self._arrive(receiver, action))

    def _arrive(self, receiver: Process, action: Callable[[], None]) -> None:
        if not receiver.is_on_bus:
            return
        if receiver.hung_until > self.now:
            self.after(receiver.hung_until - self.now + 0.001, lambda: self._arrive(receiver, action))
        else:
            action()

    def ask(
        self,
        sender: Process,
        receiver: Process | None,
        answer: Callable[[], T | None],
        done: Callable[[T | None], None],
        within_s: float,
        late: Callable[[T | None], None] = lambda _: None,
    ) -> None:
        """One request: `done` gets the first answer, or None once; `late` gets what comes after that."""
        is_open = True

        def finish(value: T | None) -> None:
            nonlocal is_open
            if is_open and not sender.is_dead:
                is_open = False
                done(value)
            elif value is not None and not sender.is_dead:
                late(value)

        if receiver is None or not (sender.is_on_bus and receiver.is_on_bus):
            self.after(0.002, lambda: self._unhung(sender, lambda: finish(None)))
            return
        peer = receiver

        def reply() -> None:
            value = answer()
            self.tell(peer, sender, lambda: finish(value))

        self.tell(sender, peer, reply)
        self.after(within_s, lambda: self._unhung(sender, lambda: finish(None)))

    def _unhung(self, process: Process, action: Callable[[], None]) -> None:
        """A timer of a process: late if it hangs."""
        if process.hung_until > self.now:
            self.after(process.hung_until - self.now + 0.001, lambda: self._unhung(process, action))
        elif not process.is_dead:
            action()

    # --- the carrier ------------------------------------------------------------------------------------------------

    def stream_comes(self, *, tries: int = 4) -> None:
        """The carrier opens a stream of the call at some edge."""
        edges = [edge for edge in self.edges if not edge.is_dead]
        edge = self.random.choice(edges)
        self._join(edge, Leg(), tries)

    def _refused(self, leg: Leg, tries: int) -> None:
        leg.is_alive = False
        if tries and not any(each.leg.is_alive for each in self.calls()):
            self.after(0.5, lambda: None if self._is_carried() else self.stream_comes(tries=tries - 1))

    def _is_carried(self) -> bool:
        return any(call.leg.is_alive for call in self.calls()) or any(edge.is_joining for edge in self.edges)

    def calls(self) -> list[EdgeCall]:
        """The call, wherever it is carried."""
        return [edge.call for edge in self.edges if edge.call is not None and not edge.is_dead]

    # --- an edge takes a stream (edge.reattachment) -----------------------------------------------------------------

    def _carries(self, edge: EdgeProcess) -> bool:
        if edge.is_joining:
            return True
        call = edge.call
        if call is None or call.is_legless:
            return False
        if not call.leg.is_alive:
            self._leg_lost(call)
            return False
        return True

    def _give_up(self, edge: EdgeProcess) -> tuple[int, Talker | None] | None:
        call = edge.call
        if call is None or not call.is_legless:
            return None
        before = call.arbiter.last_epoch, call.arbiter.current
        self.feed(call, arbitration.LegDown(EndReason.MOVED))
        return before

    def _join(self, edge: EdgeProcess, leg: Leg, tries: int) -> None:
        if self._carries(edge):
            self._refused(leg, tries)
            return
        if edge.call is not None:
            said, revision = edge.call.said, edge.call.revision
            before = self._give_up(edge)
            assert before is not None
            self._start(edge, leg, before[0], before[1], max(said, 0), revision)
            return
        edge.is_joining = True
        self.after(self._latency(), lambda: self._claim(edge, leg, Past(), None, tries, 4))

    def _claim(self, edge: EdgeProcess, leg: Leg, past: Past, over: int | None, tries: int, claims: int) -> None:
        """Compare and set; whoever wins goes on, the other looks at who has won."""
        if edge.is_dead:
            return
        held = self.entry
        if not claims or not edge.is_on_bus:
            edge.is_joining = False
            self._refused(leg, tries)
        elif (held.revision if held else None) == over:
            talker_id = past.talker.talker_id if past.talker else ""
            self.entry = Entry(edge, past.last_epoch, talker_id, (over or 0) + 1)
            edge.known_revision = self.entry.revision
            self._learn(edge, leg, past)
        else:
            assert held is not None
            revision, holder = held.revision, held.edge
            past.noted(held.epoch, held.talker_id)

            def told(state: "tuple[bool, int, str] | None") -> None:
                if state is not None:
                    past.told(state[1], state[2])
                if state is not None and state[0]:
                    edge.is_joining = False
                    self._refused(leg, tries)
                else:
                    self.after(self._latency(), lambda: self._claim(edge, leg, past, revision, tries, claims - 1))

            if holder is edge:
                told(None)
            else:
                self._surely(edge, holder, lambda: self._leg_state(holder), told)

    def _surely(
        self, sender: Process, receiver: Process, answer: Callable[[], T], done: Callable[[T | None], None]
    ) -> None:
        """Two edges that are both on the bus reach each other: else nothing could keep two streams apart."""
        is_reached = sender.is_on_bus and receiver.is_on_bus
        value = answer() if is_reached else None
        self.after(0.003 if is_reached else ASK_WITHIN_S, lambda: None if sender.is_dead else done(value))

    def _leg_state(self, edge: EdgeProcess) -> tuple[bool, int, str]:
        if self._carries(edge):
            return True, 0, ""
        before = self._give_up(edge)
        if before is None:
            return False, 0, ""
        return False, before[0], before[1].talker_id if before[1] else ""

    def _learn(self, edge: EdgeProcess, leg: Leg, past: Past) -> None:
        for epoch_changed in self.epochs:
            past.noted(epoch_changed.epoch, epoch_changed.talker_id)
        for talker in self.talkers:

            def answer(talker: TalkerProcess = talker) -> int:
                return max((each.epoch for each in talker.sessions if each.phase == "talking"), default=0)

            def told(epoch: int | None, talker: TalkerProcess = talker) -> None:
                if epoch:
                    past.told(epoch, talker.name)

            self.ask(edge, talker, answer, told, ASK_WITHIN_S)
        self.after(ASK_WITHIN_S, lambda: self._joined(edge, leg, past))

    def _joined(self, edge: EdgeProcess, leg: Leg, past: Past) -> None:
        if not edge.is_dead:
            edge.is_joining = False
            self._start(edge, leg, past.last_epoch, past.talker, len(self.stream), self.revision)

    def _start(
        self, edge: EdgeProcess, leg: Leg, last_epoch: int, talker: Talker | None, said: int, revision: int
    ) -> None:
        assert edge.call is None
        steering = Steering(self.home, self._has_fallback, self._talker(talker.talker_id).pool if talker else None)
        arbiter = Arbiter(self.now, MAX_CALL_S, steering, last_epoch)
        call = EdgeCall(edge, leg, arbiter, said, revision, numbered=last_epoch, alone_since=self.now)
        edge.call = call
        self.carried.append(call)
        self.feed(call, arbitration.LegUp(talker))
        if edge.is_away:
            self.feed(call, arbitration.BusLost())

    # --- the call at an edge (edge.session) -------------------------------------------------------------------------

    def feed(self, call: EdgeCall, event: arbitration.Event) -> None:
        """One event for one arbiter, and what it wants done."""
        if call.edge.is_dead:
            return
        before = call.arbiter.current
        commands = call.arbiter.feed(event, self.now)
        self._check(call, event, before, commands)
        self._note_alone(call, event)
        for command in commands:
            self._perform(call, command)
        deadline = call.arbiter.next_deadline()
        if deadline is not None and deadline != call.ticks_at and deadline < MAX_CALL_S:
            call.ticks_at = deadline
            self.after(max(0.0, deadline - self.now), lambda: self._tick(call, deadline))

    def _note_alone(self, call: EdgeCall, event: arbitration.Event) -> None:
        if call.arbiter.current is not None:
            call.alone_since = None
        elif call.alone_since is None or isinstance(event, arbitration.BusBack):
            call.alone_since = self.now

    def _has_fallback(self) -> bool:
        return any(each.pool == "fallback" and not (each.is_dead or each.is_draining) for each in self.talkers)

    def _check(
        self, call: EdgeCall, event: arbitration.Event, before: Talker | None, commands: tuple[arbitration.Command, ...]
    ) -> None:
        """What no arbiter may answer, whatever it is told."""
        arbiter = call.arbiter
        current = arbiter.current.epoch if arbiter.current else 0
        assert all(arbiter.is_current(epoch) == (epoch == current) for epoch in (arbiter.last_epoch, current or 1))
        match event:
            case arbitration.OfferAccepted(epoch, talker_id) | arbitration.AdoptionAccepted(epoch, talker_id):
                call.took_on.add(Talker(talker_id, epoch))
            case arbitration.HandoverAsked(epoch, talker_id) if Talker(talker_id, epoch) in call.released:
                assert commands == (), "a talker whose time is over was listened to"
            case arbitration.HandoverAsked(reason=HandoverReason.BREAKER_CLOSED):
                assert arbiter.current == before, "a call that may go home lost its talker for that"
            case arbitration.HandoverAsked(epoch, talker_id) if before not in (None, Talker(talker_id, epoch)):
                assert arbiter.current == before, "the talker is not to blame for a candidate"
            case arbitration.QuietChanged(is_quiet):
                call.is_quiet = is_quiet
            case _:
                pass
        call.released.update(command.talker for command in commands if isinstance(command, arbitration.ReleaseTalker))
        for command in commands:
            self._check_command(call, before, command)
            self._check_steering(call, event, before, command)

    def _check_steering(
        self, call: EdgeCall, event: arbitration.Event, before: Talker | None, command: arbitration.Command
    ) -> None:
        """What no steering may choose."""
        talks = call.arbiter.current is not None
        match command:
            case arbitration.MakeOffer(reason=HandoverReason.BREAKER_CLOSED, pool=pool, is_last_resort=is_last_resort):
                assert pool == (self.home if self._has_fallback() else "realtime"), "home is elsewhere"
                assert not is_last_resort
                assert before, "whoever talked was given up for the way home"
            case arbitration.MakeOffer(pool=pool, is_last_resort=is_last_resort):
                assert pool == "realtime" or self._has_fallback(), "the call is offered to nobody"
                assert not (is_last_resort and talks and self._has_fallback()), "a bad chance is taken without need"
            case arbitration.SearchAbandoned():
                assert before, "a search ended, and nobody talked"
            case arbitration.EndCall(EndReason.NO_TALKER) if self.weather.delivers:
                is_final = isinstance(event, arbitration.HandoverAsked) and not event.is_retryable
                assert (is_final and not self._has_fallback()) or not self._works(call), "there was a talker that works"
            case _:
                pass

    def _works(self, call: EdgeCall) -> bool:
        """True if a talker worked, and nobody else let the call wait, since the call had none and a while before."""
        since = (self.now if call.alone_since is None else call.alone_since) - FOUND_WITHIN_S
        if any(each.is_lame or (each.was_lame_at > since) for each in self.talkers):
            return False
        return any(
            each.was_troubled_at < since and not (each.is_dead or each.is_draining or each.is_failing or each.is_away)
            for each in self.talkers
            if each.hung_until <= max(0.0, since)
        )

    def _check_command(self, call: EdgeCall, before: Talker | None, command: arbitration.Command) -> None:
        match command:
            case arbitration.MakeOffer(epoch) | arbitration.AskAdoption(_, epoch):
                assert epoch > call.numbered, "an epoch was given out twice"
                assert not call.is_legless, "a talker is sought for nobody"
                call.numbered = epoch
            case arbitration.CutOver(talker, reason, waited_s, has_waited=has_waited):
                assert waited_s >= 0
                assert talker not in call.released
                assert not call.is_legless, "cut over for nobody"
                assert before is None or talker.epoch > before.epoch, "epochs went down"
                assert has_waited or talker not in call.waiting, "nobody tells the talker that its moment has come"
                is_in_time = reason not in PLANNED or before is None or call.is_quiet
                assert is_in_time or waited_s >= QUIET_WITHIN_S, "a planned change interrupted somebody"
                call.took_on.add(talker)
            case arbitration.EndCall(EndReason.MOVED):
                assert before not in call.released, "the call goes on elsewhere, but its talker was sent away"
                call.took_on -= {before} if before else set()
            case _:
                pass

    def _tick(self, call: EdgeCall, due: float) -> None:
        if call.ticks_at == due:
            call.ticks_at = 0.0
            self.feed(call, arbitration.Tick())

    def _perform(self, call: EdgeCall, command: arbitration.Command) -> None:
        match command:
            case arbitration.MakeOffer():
                self._offer(call, command)
            case arbitration.AskAdoption(talker, epoch):
                self._adopt(call, talker, epoch, 2)
            case arbitration.CutOver():
                self._cut_over(call, command)
            case arbitration.ReleaseTalker(talker):
                if call.arbiter.current is None:
                    call.addressed = None
                process = self._talker(talker.talker_id)
                self.tell(call.edge, process, lambda: self._release(process, talker.epoch, call.edge))
            case arbitration.SearchAbandoned():
                self.abandoned += 1
            case arbitration.EndCall(reason):
                assert call.end is None, "ended twice"
                call.end = reason
                call.addressed = None
                call.leg.is_alive = call.leg.is_alive and reason is EndReason.MOVED
                if call.edge.call is call:
                    call.edge.call = None
            case _:
                assert_never(command)

    def _talker(self, name: str) -> TalkerProcess:
        return next(talker for talker in self.talkers if talker.name == name)

    def _offer(self, call: EdgeCall, make: arbitration.MakeOffer) -> None:
        epoch, passed = make.epoch, call.passed[make.pool]
        pool = [each for each in self.talkers if each.pool == make.pool and each.is_on_bus and not each.is_draining]
        if all(each.name in passed for each in pool):
            passed.clear()
        member = self.random.choice([each for each in pool if each.name not in passed]) if pool else None
        if member:
            passed.add(member.name)

        def answer() -> Answer:
            assert member is not None
            return self._take_offer(member, epoch, call.edge, is_last_resort=make.is_last_resort)

        def done(given: Answer | None) -> None:
            if given is not None and given.taker:
                self.feed(call, arbitration.OfferAccepted(epoch, given.taker))
            else:
                self.feed(call, arbitration.OfferFailed(epoch, given is not None and given.is_provider_down))

        self.ask(call.edge, member, answer, done, OFFER_WITHIN_S, late=done)

    def _adopt(self, call: EdgeCall, talker: Talker, epoch: int, tries: int) -> None:
        process = self._talker(talker.talker_id)
        call.took_on.add(Talker(talker.talker_id, epoch))

        def done(is_adopted: bool | None) -> None:
            if is_adopted:
                self.adoptions += 1
                self.feed(call, arbitration.AdoptionAccepted(epoch, talker.talker_id))
            elif is_adopted is None and tries > 1 and process.is_on_bus:
                self._adopt(call, talker, epoch, tries - 1)
            else:
                self.feed(call, arbitration.OfferFailed(epoch))

        self.ask(
            call.edge, process, lambda: self._take_adoption(process, talker.epoch, epoch, call), done, ADOPT_WITHIN_S
        )

    def _cut_over(self, call: EdgeCall, cut: arbitration.CutOver) -> None:
        talker = cut.talker
        assert call.arbiter.current == talker
        self.cuts += 1
        self.in_fallback += self._talker(talker.talker_id).pool == "fallback"
        for passed in call.passed.values():
            passed.clear()
        call.addressed = talker
        if cut.has_waited:
            content = self._cut(call)
            process = self._talker(talker.talker_id)
            self.tell(call.edge, process, lambda: self._take_over(process, talker.epoch, call.edge, content))
        if call.edge.is_on_bus:
            self.epochs.append(talker)
            self.after(self.random.uniform(0.001, 0.02), lambda: self._note(call, talker))

    def _note(self, call: EdgeCall, talker: Talker) -> None:
        """Write-behind to the registry; meeting somebody else's entry means that the call has moved."""
        entry, edge = self.entry, call.edge
        if edge.is_dead or not edge.is_on_bus or edge.call is not call or entry is None:
            return
        if entry.revision == edge.known_revision:
            edge.known_revision += 1
            self.entry = Entry(edge, max(call.arbiter.last_epoch, talker.epoch), talker.talker_id, edge.known_revision)
        elif entry.edge is not edge:
            call.leg.is_alive = False
            self.feed(call, arbitration.LegDown(EndReason.MOVED))

    def _cut(self, call: EdgeCall) -> Cut:
        """The conversation until now, and the ring's replay of what no fact tells yet."""
        facts = self.stream[: call.said]
        replay = [utterance for utterance in call.ring if utterance > (facts[-1] if facts else 0)]
        said = frozenset((*facts, *replay))
        assert said.issuperset(call.ring), "something the caller said here is in no cut"
        assert call.revision >= self.given_revision, "an older revision of the instructions was given"
        self.given_revision = call.revision
        return Cut(said, call.revision)

    def _on_ready(self, call: EdgeCall | None, talker: Talker) -> Verdict:
        if call is None:
            return Verdict()
        self.feed(call, arbitration.TalkerReady(talker.epoch, talker.talker_id))
        if call.arbiter.current == talker:
            return Verdict(self._cut(call))
        if not call.arbiter.holds(talker):
            return Verdict()
        call.waiting.add(talker)
        return Verdict(may_wait=True)

    def _is_current(self, call: EdgeCall | None, talker: Talker) -> bool:
        return call is not None and (call.arbiter.current == talker or call.arbiter.holds(talker))

    def _leg_lost(self, call: EdgeCall) -> None:
        if not call.is_legless and not call.arbiter.is_over:
            call.is_legless = True
            call.addressed = None
            self.feed(call, arbitration.LegLost())

    # --- talkers ----------------------------------------------------------------------------------------------------

    def _take_offer(self, talker: TalkerProcess, epoch: int, edge: EdgeProcess, *, is_last_resort: bool) -> Answer:
        if talker.session(epoch, edge) is None:
            if talker.is_draining:
                return Answer()
            if talker.is_provider_down and not is_last_resort:
                return Answer(is_provider_down=True)
            session = Session(talker, epoch, edge, heard_at=self.now)
            talker.sessions.append(session)
            opens_in_s = 20.0 if talker.is_lame else self.random.uniform(0.0, 0.4)
            self.after(opens_in_s, lambda: self._unhung(talker, lambda: self._say_ready(session, 3)))
        return Answer(talker.name)

    def _say_ready(self, session: Session, tries: int) -> None:
        if session.phase != "candidate":
            return
        if session.talker.is_failing:
            self._wish(session, HandoverReason.UPSTREAM_FAILED)
            self._close(session)
            return
        edge = session.edge

        def done(answer: Verdict | None) -> None:
            if session.phase != "candidate":
                return
            match answer:
                case None if tries > 1:
                    self._say_ready(session, tries - 1)
                case Verdict(cut=Cut() as cut):
                    self._talks(session, cut)
                case Verdict(may_wait=True):
                    self.after(WAIT_AGAIN_S, lambda: self._unhung(session.talker, lambda: self._say_ready(session, 3)))
                case _:
                    self._close(session)

        self.ask(session.talker, edge, lambda: self._on_ready(edge.call, session.id), done, READY_WITHIN_S)

    def _take_over(self, talker: TalkerProcess, epoch: int, edge: EdgeProcess, cut: Cut) -> None:
        session = talker.session(epoch, edge)
        if session is not None and session.phase == "candidate":
            self._talks(session, cut)

    def _talks(self, session: Session, cut: Cut) -> None:
        session.phase = "talking"
        session.known |= cut.said
        session.heard_at = self.now
        self.after(ASK_AFTER_S, lambda: self._unhung(session.talker, lambda: self._attend(session)))

    def _take_adoption(self, talker: TalkerProcess, epoch: int, new_epoch: int, call: EdgeCall) -> bool:
        asker = (new_epoch, call.edge.name)
        for session in talker.sessions:
            if session.phase == "talking" and session.adopted_by == asker:
                return True
        found = [each for each in talker.sessions if each.epoch == epoch and each.phase == "talking"]
        if not found or new_epoch <= epoch:
            return False
        found[0].epoch, found[0].edge, found[0].adopted_by = new_epoch, call.edge, asker
        return True

    def _release(self, talker: TalkerProcess, epoch: int, edge: EdgeProcess) -> None:
        session = talker.session(epoch, edge)
        if session is not None:
            self._close(session)

    def _close(self, session: Session) -> None:
        session.phase = "closed"
        session.talker.sessions.remove(session)

    def _attend(self, session: Session) -> None:
        """No audio of the caller: ask the edge; nobody there: wait for another edge, then leave."""
        if session.phase != "talking":
            return
        edge, talker = session.edge, session.talker
        call, asked_as = edge.call, session.id
        if call is not None and call.addressed == asked_as and edge.is_on_bus and talker.is_on_bus:
            session.heard_at = self.now

        def done(is_current: bool | None) -> None:
            if session.phase != "talking" or session.id != asked_as:
                return
            if is_current is False:
                self._close(session)
            elif is_current or talker.is_away:
                session.heard_at = self.now

        if self.now - session.heard_at >= LEAVE_AFTER_S:
            self._close(session)
            return
        if session.heard_at < self.now:
            self.ask(talker, edge, lambda: self._is_current(edge.call, asked_as), done, STANDING_WITHIN_S)
        self.after(ASK_AFTER_S, lambda: self._unhung(talker, lambda: self._attend(session)))

    def _wish(self, session: Session, reason: HandoverReason, tries: int = 3) -> None:
        edge, wisher = session.edge, session.id
        is_retryable = reason is not HandoverReason.UPSTREAM_FAILED or self.random.random() < 0.7

        def answer() -> bool:
            if edge.call is not None:
                event = arbitration.HandoverAsked(wisher.epoch, wisher.talker_id, reason, is_retryable)
                self.feed(edge.call, event)
            return True

        def done(is_heard: bool | None) -> None:
            if is_heard is None and tries > 1:
                self._wish(session, reason, tries - 1)

        self.ask(session.talker, edge, answer, done, STANDING_WITHIN_S)

    # --- what is said -----------------------------------------------------------------------------------------------

    def caller_speaks(self) -> None:
        """The caller says something; whoever hears it tells it as a fact a little later."""
        for call in self.calls():
            if call.leg.is_alive and not call.is_legless:
                self.utterances += 1
                call.ring.append(self.utterances)
                self._hear(call, self.utterances)

    def _hear(self, call: EdgeCall, utterance: int) -> None:
        addressed = call.addressed
        if addressed is None:
            return
        process = self._talker(addressed.talker_id)
        if not (process.is_on_bus and call.edge.is_on_bus) or process.hung_until > self.now:
            return
        session = process.session(addressed.epoch, call.edge)
        if session is None:  # it gave up meanwhile, and answers that the audio is not for it
            event = arbitration.HandoverAsked(addressed.epoch, process.name, HandoverReason.TALKER_LOST, True)
            self.tell(process, call.edge, lambda: self.feed(call, event))
            return
        if session.phase != "talking":
            return
        session.known.update(call.ring)  # what could not reach it is sent again, in order
        wait_s = self.random.uniform(0.05, 0.8)
        self.after(wait_s, lambda: self._unhung(process, lambda: self._tell_facts(session, utterance)))

    def _tell_facts(self, session: Session, until: int) -> None:
        """Facts come in order: a talker tells what it heard of earlier first, also what was replayed to it."""
        talker = session.talker
        if not talker.is_on_bus:
            return
        last = self.stream[-1] if self.stream else 0
        self.stream += sorted(utterance for utterance in session.known if last < utterance <= until)
        for call in self.calls():
            self.tell(talker, call.edge, partial(_know, call, len(self.stream)))

    def agents_speak(self) -> None:
        """Everybody who believes it is its turn says something."""
        for talker in self.talkers:
            for session in talker.sessions:
                if session.phase == "talking" and not talker.is_dead and talker.hung_until <= self.now:
                    self.tell(talker, session.edge, partial(self._play, session.edge, session.epoch))

    def _play(self, edge: EdgeProcess, epoch: int) -> None:
        call = edge.call
        if call is None or call.is_legless or not call.leg.is_alive or not call.arbiter.is_current(epoch):
            return
        assert epoch >= self.heard_epoch, f"epoch {epoch} was heard after {self.heard_epoch}"
        audible = [each for each in self.calls() if each.leg.is_alive and each.addressed and each.edge.is_on_bus]
        assert audible == [call], "two edges let talkers through to the caller"
        self.heard_epoch = epoch
        self.heard += 1
        self.feed(call, arbitration.AgentSpoke())

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The call begins, and things go wrong."""
        self.stream_comes()
        for _ in range(self.random.randrange(6, 16)):
            self._run_until(self.now + self.random.expovariate(1 / self.weather.every_s))
            self._happen(self.random.choice(self.weather.faults))
            if self.random.random() < 0.5:
                self.caller_speaks()
            self.agents_speak()

    def _happen(self, fault: str) -> None:
        talker, edge = self.random.choice(self.talkers), self.random.choice(self.edges)
        call = next((call for call in self.calls() if not call.arbiter.is_over), None)
        match fault:
            case "talker dies":
                self._talker_dies(talker)
            case "talker hangs":
                talker.hung_until = max(talker.hung_until, self.now + self.random.choice((0.2, 1.0, 6.0)))
                self._noticed(talker, 0.48, lambda: talker.hung_until > self.now)
            case "talker is cut off":
                self._is_cut_off(talker, self.random.choice((0.2, 2.0, LONGEST_OUTAGE_S)))
                self._noticed(talker, 0.48, lambda: talker.is_away)
            case "talker is accused":
                self._noticed(talker, 0.0, lambda: True)
            case "talker is lame":
                talker.is_lame, talker.was_lame_at = not talker.is_lame, self.now
            case "talker fails":
                talker.is_failing, talker.was_troubled_at = not talker.is_failing, self.now
            case "provider goes down" | "provider is back":
                self._provider_is("realtime", is_down=fault == "provider goes down")
            case "stages fail" | "stages work":
                self._provider_is("fallback", is_down=fault == "stages fail")
            case "talker drains":
                talker.is_draining = True
                self._wishes(talker, HandoverReason.DRAIN)
            case "session ages":
                self._wishes(talker, HandoverReason.SESSION_AGE)
            case "upstream fails":
                self._wishes(talker, HandoverReason.UPSTREAM_FAILED)
            case "may go home":
                for guest in self.talkers:
                    self._wishes(guest, HandoverReason.BREAKER_CLOSED)
            case "operator orders" if call is not None:
                self.feed(call, arbitration.HandoverOrdered(HandoverReason.OPERATOR))
            case "quiet" | "busy" if call is not None:
                self.feed(call, arbitration.QuietChanged(fault == "quiet"))
            case "instructions":
                self.revision += 1
                for each in self.calls():
                    self.tell(self.talkers[0], each.edge, partial(_instruct, each, self.revision))
            case "leg breaks":
                self._leg_breaks()
            case "edge dies" if sum(not each.is_dead for each in self.edges) > 1:
                self._edge_dies(edge)
            case "edge is cut off":
                self._edge_is_cut_off(edge, self.random.choice((0.3, 2.0, LONGEST_OUTAGE_S)))
            case "second stream":
                self.stream_comes(tries=0)
            case _:
                pass

    def _provider_is(self, pool: Pool, *, is_down: bool) -> None:
        """For a whole pool. Breakers may not have noticed yet, or stand open though the provider is back."""
        is_noticed, is_so = self.random.random() < 0.7, self.random.random() < 0.7
        for talker in self.talkers:
            if talker.pool == pool and not talker.is_dead:
                talker.is_provider_down = is_down and is_noticed and pool == "realtime"
                if talker.is_failing:
                    talker.was_troubled_at = self.now
                talker.is_failing = is_down and is_so
                if talker.is_failing:
                    self._wishes(talker, HandoverReason.UPSTREAM_FAILED)

    def _talker_dies(self, talker: TalkerProcess) -> None:
        if not talker.is_dead:
            talker.is_dead = True
            talker.sessions.clear()
            self._noticed(talker, self.random.uniform(0.002, 0.02), lambda: True)
            self.talkers.append(TalkerProcess(f"{talker.name}'", pool=talker.pool, was_troubled_at=self.now))

    def _noticed(self, talker: TalkerProcess, wait_s: float, is_so: Callable[[], bool]) -> None:
        for edge in self.edges:
            self.after(wait_s, partial(self._notice, edge, talker, is_so))

    def _notice(self, edge: EdgeProcess, talker: TalkerProcess, is_so: Callable[[], bool]) -> None:
        if edge.is_away:
            self.after(1.5, lambda: self._notice(edge, talker, is_so))
        elif edge.call is not None and is_so():
            self.feed(edge.call, arbitration.TalkerGone(talker.name))

    def _is_cut_off(self, process: Process, seconds: float) -> None:
        process.is_away = True

        def back() -> None:
            process.is_away = False
            if isinstance(process, TalkerProcess):
                process.was_troubled_at = self.now

        self.after(seconds, back)

    def _edge_is_cut_off(self, edge: EdgeProcess, seconds: float) -> None:
        if edge.is_away or edge.is_dead or edge.is_joining:
            return
        edge.is_away = True
        if edge.call is not None:
            self.feed(edge.call, arbitration.BusLost())

        def back() -> None:
            edge.is_away = False
            call = edge.call
            if call is not None:
                call.said = len(self.stream)
                self.feed(call, arbitration.BusBack())
                self._note(call, call.arbiter.current or Talker("", 0))

        self.after(seconds, back)

    def _wishes(self, talker: TalkerProcess, reason: HandoverReason) -> None:
        for session in tuple(talker.sessions):
            if talker.hung_until <= self.now:
                self._wish(session, reason)

    def _leg_breaks(self) -> None:
        for call in self.calls():
            if call.leg.is_alive:
                call.leg.is_alive = False
                self.after(self.random.uniform(0.0, 0.3), partial(self._leg_lost, call))
                comes_in_s = self.random.choice((0.05, 0.5, 3.0))
                self.after(comes_in_s, lambda: None if self._is_carried() else self.stream_comes())
                if self.random.random() < 0.2:
                    self.after(comes_in_s + 0.002, self.stream_comes)

    def _edge_dies(self, edge: EdgeProcess) -> None:
        if edge.is_dead:
            return
        edge.is_dead, was_carrying = True, edge.call is not None or edge.is_joining
        if edge.call is not None:
            edge.call.leg.is_alive = False
        edge.call, edge.is_joining = None, False
        self.edges.append(EdgeProcess(f"edge-{len(self.edges) + 1}"))
        if was_carrying:
            self.after(
                self.random.choice((0.05, 0.5, 3.0)), lambda: None if self._is_carried() else self.stream_comes()
            )

    # --- when nothing fails any more --------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everybody is well again: the call has a talker soon, who is told so, and nobody else is left over."""
        self.is_fine = True
        for process in (*self.talkers, *self.edges):
            process.hung_until = min(process.hung_until, self.now)
        self.talkers.append(TalkerProcess("relief", was_troubled_at=self.now))
        for talker in self.talkers:
            if talker.is_lame:
                talker.is_lame, talker.was_lame_at = False, self.now
            if talker.is_failing:
                talker.is_failing, talker.was_troubled_at = False, self.now
            talker.is_provider_down = False
        self._run_until(self.now + LONGEST_OUTAGE_S)
        self.caller_speaks()
        self._run_until(self.now + TALKER_WITHIN_S)
        for call in self.calls():
            if call.leg.is_alive and not call.is_legless:
                assert call.arbiter.current is not None, "the search is stuck"
            self.feed(call, arbitration.QuietChanged(is_quiet=True))
        self._run_until(self.now + 1.0)
        self.caller_speaks()
        self._run_until(self.now + ASK_AFTER_S + LEAVE_AFTER_S + 10.0)
        self._agreed()
        self._hang_up()

    def _agreed(self) -> None:
        carried = [call for call in self.calls() if not call.arbiter.is_over]
        assert len(carried) <= 1, "two edges carry the call"
        current = {call.arbiter.current: call.edge for call in carried}
        sessions = {session.id: session.edge for talker in self.talkers for session in talker.sessions}
        assert sessions == current, f"{sessions} are open, but the edges say {current}"
        for talker in self.talkers:
            assert all(session.phase == "talking" for session in talker.sessions), "the talker does not know it is"
        before = self.heard
        self.agents_speak()
        self._run_until(self.now + 0.1)
        assert self.heard == before + len(carried), "the current talker is not heard"

    def _hang_up(self) -> None:
        for call in self.calls():
            self.feed(call, arbitration.LegDown(EndReason.CALLER_HANGUP))
        self._run_until(self.now + ASK_AFTER_S + LEAVE_AFTER_S + 5.0)
        assert not self.calls()
        assert not [session for talker in self.talkers for session in talker.sessions], "a session outlived its call"
        for call in self.carried:
            assert call.edge.is_dead or call.took_on <= call.released, "somebody was not told that it is over"


def _know(call: EdgeCall, said: int) -> None:
    call.said = max(call.said, said)


def _instruct(call: EdgeCall, revision: int) -> None:
    call.revision = max(call.revision, revision)
