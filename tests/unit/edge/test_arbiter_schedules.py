"""The arbiter under random schedules: offers, answers, deaths, failures and messages that come late or twice."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from common.messages.commands import EndReason
from common.messages.offers import HandoverReason
from edge.core.arbiter import (
    AgentSpoke,
    Arbiter,
    Command,
    CutOver,
    EndCall,
    Event,
    HandoverAsked,
    LegDown,
    LegUp,
    MakeOffer,
    OfferAccepted,
    OfferFailed,
    ReleaseTalker,
    Talker,
    TalkerGone,
    TalkerReady,
    Tick,
)

TALKERS = ("a", "b", "c")
MAX_CALL_S = 40.0


@dataclass
class World:
    """Everything around one arbiter: what was offered, who accepted, who was told what."""

    arbiter: Arbiter = field(default_factory=lambda: Arbiter(0.0, MAX_CALL_S))
    offers: list[int] = field(default_factory=list)
    answered: dict[int, str] = field(default_factory=dict)
    cuts: list[Talker] = field(default_factory=list)
    released: set[Talker] = field(default_factory=set)
    is_ended: bool = False

    def feed(self, event: Event, now: float) -> None:
        was_ended = self.is_ended
        for command in self.arbiter.feed(event, now):
            assert not was_ended or isinstance(command, ReleaseTalker), f"{command} after the end"
            self.perform(command)
        if isinstance(event, TalkerGone):
            current = self.arbiter.current
            assert current is None or current.talker_id != event.talker_id, "the dead may talk"
        self.check()

    def perform(self, command: Command) -> None:
        assert not self.is_ended or isinstance(command, ReleaseTalker)
        match command:
            case MakeOffer(epoch):
                assert epoch > max(self.offers, default=0), "an epoch was offered twice"
                self.offers.append(epoch)
            case CutOver(talker, waited_s=waited_s):
                assert talker.epoch > max((cut.epoch for cut in self.cuts), default=0), "epochs went down"
                assert talker not in self.released
                assert waited_s >= 0
                self.cuts.append(talker)
            case ReleaseTalker(talker):
                self.released.add(talker)
            case EndCall():
                self.is_ended = True

    def check(self) -> None:
        current = self.arbiter.current
        assert [epoch for epoch in range(20) if self.arbiter.is_current(epoch)] in ([], [current and current.epoch])
        assert current is None or current == self.cuts[-1]
        assert current is None or current not in self.released
        for cut in self.cuts[:-1]:
            assert cut in self.released, "a talker was replaced and not told"
        assert self.arbiter.is_over == self.is_ended
        assert (self.arbiter.next_deadline() is None) == self.is_ended

    def accept(self, epoch: int, talker_id: str) -> Event:
        """One request has one answer: the first to accept an epoch is the one that did."""
        return OfferAccepted(epoch, self.answered.setdefault(epoch, talker_id))


REASONS = st.sampled_from(HandoverReason)
SCHEDULE = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "fail", "ready", "gone", "please", "fatal", "spoke", "tick", "due", "leg up", "down"]
        ),
        st.integers(0, 3),
        st.sampled_from(TALKERS),
        REASONS,
        st.floats(0, 2),
    ),
    max_size=60,
)


def event_of(world: World, kind: str, back: int, talker_id: str, reason: HandoverReason) -> Event:
    epoch = world.offers[-1 - back] if back < len(world.offers) else 1
    match kind:
        case "accept":
            return world.accept(epoch, talker_id)
        case "fail":
            return OfferFailed(epoch)
        case "ready":
            return TalkerReady(epoch, world.answered.setdefault(epoch, talker_id))
        case "gone":
            return TalkerGone(talker_id)
        case "please":
            return HandoverAsked(epoch, talker_id, reason, True)
        case "fatal":
            return HandoverAsked(epoch, talker_id, reason, back != 0)
        case "spoke":
            return AgentSpoke()
        case "leg up":
            return LegUp()
        case "down":
            return LegDown(EndReason.LEG_LOST) if back == 3 else Tick()
        case _:
            return Tick()


@settings(deadline=None, max_examples=300)
@given(SCHEDULE)
def test_at_most_one_talks_epochs_rise_and_everyone_who_accepted_is_current_or_released(
    schedule: list[tuple[str, int, str, HandoverReason, float]],
) -> None:
    world = World()
    now = 0.0
    world.feed(LegUp(), now)
    for kind, back, talker_id, reason, wait in schedule:
        now += wait
        if kind == "due":
            now = max(now, world.arbiter.next_deadline() or now)
        world.feed(event_of(world, kind, back, talker_id, reason), now)
    settle(world, now)


def settle(world: World, now: float) -> None:
    """Nothing fails any more, and time goes on: the last answers come, then the call reaches its limit."""
    fed: set[Talker] = set()
    while not world.is_ended:
        for epoch, talker_id in tuple(world.answered.items()):
            if (talker := Talker(talker_id, epoch)) not in fed:
                fed.add(talker)
                world.feed(OfferAccepted(epoch, talker_id), now)
        now = max(now, world.arbiter.next_deadline() or now)
        world.feed(Tick(), now)
    for epoch, talker_id in world.answered.items():
        world.feed(OfferAccepted(epoch, talker_id), now)
    accepted = {Talker(talker_id, epoch) for epoch, talker_id in world.answered.items()}
    assert accepted <= world.released
    assert now <= MAX_CALL_S + 121


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(TALKERS), st.sampled_from(["dies", "drains", "fails"])), max_size=12))
def test_as_long_as_somebody_takes_the_call_it_goes_on(troubles: list[tuple[str, str]]) -> None:
    world = World()
    now = 0.0
    world.feed(LegUp(), now)
    for talker_id, trouble in (*troubles, ("a", "")):
        epoch = world.offers[-1]
        world.feed(OfferAccepted(epoch, talker_id), now)
        world.feed(TalkerReady(epoch, talker_id), now + 0.1)
        assert world.arbiter.current == Talker(talker_id, epoch)
        world.feed(AgentSpoke(), now + 0.2)
        now += 0.3
        match trouble:
            case "dies":
                world.feed(TalkerGone(talker_id), now)
            case "drains":
                world.feed(HandoverAsked(epoch, talker_id, HandoverReason.DRAIN, True), now)
            case "fails":
                world.feed(HandoverAsked(epoch, talker_id, HandoverReason.UPSTREAM_FAILED, True), now)
    assert len(world.cuts) == len(troubles) + 1
    assert not world.is_ended
