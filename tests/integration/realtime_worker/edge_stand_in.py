"""An edge written by hand: offers calls on a real bus, speaks as the caller, keeps what the worker sends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout

from common import audio, ids, subjects
from common.audio import Kind, RawRecord
from common.messages.base import Message, decode_as
from common.messages.commands import (
    Adopt,
    Adopted,
    CatchUp,
    Clear,
    CutOver,
    Drain,
    EdgeCommand,
    HandoverPlease,
    HangUp,
    Heard,
    Ping,
    Ready,
    Release,
    ReplayCaller,
    Standing,
    StandingAsked,
    TakeOver,
    TalksTo,
    Transfer,
    TransferNews,
    WhoCarries,
    WhoTalks,
)
from common.messages.facts import AnyFact, Fact
from common.messages.heartbeat import Heartbeat
from common.messages.offers import Accepted, HandoverReason, Offer, OfferAnswer, Refused
from common.messages.outcome import Outcome
from common.pcmu import FRAME_BYTES, FRAME_MS, SILENCE
from common.profile import AgentProfile, ServerVad
from common.subjects import Pool, ProcessKind

PROFILE = AgentProfile(
    name="test-desk",
    greeting="Hello, this is the reading room support desk. How can I help you today?",
    instructions="You are the support desk of a reading room.",
    turn_detection=ServerVad(),
)


@dataclass
class Leg:
    """One call of the stand-in: a leg clock, what the agent sent, and a carrier that plays it in real time."""

    call_id: str
    epoch: int = 1
    clock_ms: int = 0
    cut: CutOver = field(default_factory=lambda: CutOver(is_granted=True))
    """What `Ready` is answered with, but for the leg's clock."""
    replay: bytes = b""
    """What the caller has said up to `clock_ms` without it having become a fact: sent at the cut."""
    is_current: bool | None = None
    """What `StandingAsked` is answered; None: nothing."""
    is_deaf: bool = False
    """True: clears are not answered."""
    records: list[RawRecord] = field(default_factory=list)
    readies: list[Ready] = field(default_factory=list)
    clears: list[Clear] = field(default_factory=list)
    wishes: list[HandoverPlease] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    hang_ups: list[HangUp] = field(default_factory=list)
    standings: list[StandingAsked] = field(default_factory=list)
    still_playing: Heard = field(default_factory=Heard)
    """What a clear finds of the talker before."""
    began: dict[str, float] = field(default_factory=dict)
    current_item: str = ""
    cleared: list[Heard] = field(default_factory=list)

    def of(self, kind: Kind) -> list[RawRecord]:
        return [record for record in self.records if record[4] == kind]

    @property
    def items(self) -> list[str]:
        return [record[5].decode() for record in self.of(Kind.ITEM)]

    def audio_ms(self, item_id: str) -> int:
        return sum(len(pcmu) for pcmu in self._audio_of(item_id)) // 8

    def _audio_of(self, item_id: str) -> list[bytes]:
        current, pieces = "", []
        for record in self.records:
            if record[4] == Kind.ITEM:
                current = record[5].decode()
            elif record[4] == Kind.AUDIO and current == item_id:
                pieces.append(record[5])
        return pieces

    def text_of(self, item_id: str) -> str:
        current, text = "", ""
        for record in self.records:
            if record[4] == Kind.ITEM:
                current = record[5].decode()
            elif record[4] == Kind.TEXT and current == item_id:
                text += record[5].decode()
        return text

    def take(self, record: RawRecord) -> None:
        self.records.append(record)
        if record[4] == Kind.ITEM:
            self.current_item = record[5].decode()
        elif record[4] == Kind.AUDIO:
            self.began.setdefault(self.current_item, time.monotonic())

    def clear(self) -> Heard:
        """What a carrier that plays in real time has played of the last item."""
        item_id = self.current_item
        if item_id not in self.began:
            heard, self.still_playing = self.still_playing, Heard()
            return heard
        heard_ms = round((time.monotonic() - self.began.pop(item_id)) * 1000)
        if heard_ms >= self.audio_ms(item_id):
            return Heard()
        self.cleared.append(Heard(item_id=item_id, heard_ms=heard_ms))
        return self.cleared[-1]


class EdgeStandIn:
    """Answers what a worker asks of an edge."""

    def __init__(self, client: Client, pool: Pool = "realtime") -> None:
        self.edge_id = ids.new_id("edge")
        self._pool = pool
        self.client = client
        self.legs: dict[int, Leg] = {}
        self.facts: list[AnyFact] = []
        self.outcomes: list[Outcome] = []
        self.heartbeats: list[Heartbeat] = []
        self.talker_id = ""
        self.replays_asked: list[ReplayCaller] = []

    async def start(self) -> None:
        self._subscriptions = [
            await self.client.subscribe(subjects.edge(self.edge_id), cb=self._on_command),
            await self.client.subscribe(subjects.agent_audio(self.edge_id), cb=self._on_audio),
        ]
        await self.client.subscribe(subjects.ALL_FACTS, cb=self._on_fact)
        await self.client.subscribe(subjects.ALL_OUTCOMES, cb=self._on_outcome)
        kind: ProcessKind = "fallback" if self._pool == "fallback" else "realtime_worker"
        await self.client.subscribe(subjects.heartbeats_of(kind), cb=self._on_heartbeat)
        await self.client.flush()

    # --- what a test does ---------------------------------------------------------------------------------------------

    async def offer(
        self,
        *,
        profile: AgentProfile = PROFILE,
        reason: HandoverReason = HandoverReason.START,
        call_id: str = "",
        epoch: int = 1,
        clock_ms: int = 0,
        replay: bytes = b"",
        home: Pool = "realtime",
        caller_number: str = "",
        is_last_resort: bool = False,
        **cut: Any,
    ) -> tuple[Leg, Accepted | Refused]:
        """Offer a call to the pool. `cut`: what `Ready` is answered with."""
        answer_to_ready = CutOver(**({"is_granted": True} | cut))
        leg = Leg(call_id or ids.new_id("call"), epoch, clock_ms, answer_to_ready, replay)
        self.legs[ids.call_key(leg.call_id)] = leg
        offer = Offer(
            call_id=leg.call_id,
            edge_id=self.edge_id,
            epoch=epoch,
            reason=reason,
            profile=profile,
            home=home,
            caller_number=caller_number,
            is_last_resort=is_last_resort,
        )
        answer = decode_as(OfferAnswer, (await self.request(offer.encode())).data)
        self.talker_id = answer.talker_id
        return leg, answer

    async def request(self, offer: bytes) -> Msg:
        return await self.client.request(subjects.offer(self._pool), offer, timeout=2)

    async def speak(self, leg: Leg, pcmu: bytes, *, pace: float = 1.0) -> None:
        """Send caller audio as a carrier would; `pace` times real time."""
        due = time.monotonic()
        for start in range(0, len(pcmu), FRAME_BYTES):
            await self.send_frame(leg, pcmu[start : start + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE))
            due += FRAME_MS / 1000 / pace
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def be_silent(self, leg: Leg, ms: int, *, pace: float = 1.0) -> None:
        await self.speak(leg, SILENCE * (ms * 8), pace=pace)

    async def send_record(self, leg: Leg, at_ms: int, pcmu: bytes) -> None:
        """Caller audio of any length, of any time."""
        record = (ids.call_key(leg.call_id), leg.epoch, 1, at_ms, int(Kind.AUDIO), pcmu)
        await self.client.publish(subjects.caller_audio(self.talker_id), audio.encode([record]))

    async def cut_over(self, leg: Leg, cut: CutOver) -> None:
        """The quiet moment has come."""
        leg.cut = cut
        await self.tell(TakeOver(call_id=leg.call_id, epoch=leg.epoch, cut=self._cut(leg)))
        await self._replay(leg)

    def _cut(self, leg: Leg) -> CutOver:
        return leg.cut.model_copy(update={"leg_clock_ms": leg.clock_ms})

    async def _replay(self, leg: Leg) -> None:
        """As an edge replays its ring: up to a second in one record."""
        pcmu, leg.replay = leg.replay, b""
        began_ms = leg.clock_ms - len(pcmu) // 8
        for start in range(0, len(pcmu), 8_000):
            await self.send_record(leg, began_ms + start // 8, pcmu[start : start + 8_000])

    async def adopt(self, leg: Leg, from_edge: "EdgeStandIn", **changes: Any) -> Adopted:
        """Take over the call of an edge that died: the talker goes on for this one."""
        adopt = Adopt(
            **{
                "call_id": leg.call_id,
                "epoch": leg.epoch,
                "new_epoch": leg.epoch + 1,
                "edge_id": self.edge_id,
                "leg_clock_ms": leg.clock_ms,
            }
            | changes
        )
        self.talker_id = from_edge.talker_id
        answer = Adopted.decode((await self.ask(adopt)).data)
        if answer.is_adopted:
            from_edge.legs.pop(ids.call_key(leg.call_id), None)
            leg.epoch, leg.clock_ms = adopt.new_epoch, answer.leg_clock_ms
            leg.records = []
            self.legs[ids.call_key(leg.call_id)] = leg
        return answer

    async def ask(self, command: Message) -> Msg:
        return await self.client.request(subjects.talker(self.talker_id), command.encode(), timeout=2)

    async def tell(self, command: Message) -> None:
        await self.client.publish(subjects.talker(self.talker_id), command.encode())

    async def who_talks(self, call_id: str) -> TalksTo | None:
        """Ask all talkers; None if nobody answers."""
        question = WhoTalks(call_id=call_id).encode()
        try:
            answer = await self.client.request(subjects.ALL_TALKERS, question, timeout=0.5)
        except NatsTimeout:
            return None
        return TalksTo.decode(answer.data)

    async def catch_up(self, for_s: float) -> None:
        await self.client.publish(subjects.ALL_TALKERS, CatchUp(edge_id=self.edge_id, for_s=for_s).encode())

    async def ping(self) -> bytes:
        return (await self.ask(Ping())).data

    async def die(self) -> None:
        """Stop listening, as a process that was killed."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        await self.client.flush()

    async def send_frame(self, leg: Leg, pcmu: bytes, *, epoch: int | None = None) -> None:
        record = (ids.call_key(leg.call_id), epoch or leg.epoch, 1, leg.clock_ms, int(Kind.AUDIO), pcmu)
        leg.clock_ms += FRAME_MS
        await self.client.publish(subjects.caller_audio(self.talker_id), audio.encode([record]))

    async def release(self, leg: Leg) -> None:
        await self.tell(Release(call_id=leg.call_id, epoch=leg.epoch, reason="test"))

    async def ready(self, leg: Leg) -> Ready:
        await until(lambda: leg.readies)
        return leg.readies[0]

    def facts_of(self, leg: Leg, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if fact.call_id == leg.call_id and isinstance(fact, kind)]

    # --- what the bus does --------------------------------------------------------------------------------------------

    async def _on_command(self, message: Msg) -> None:
        command = decode_as(EdgeCommand, message.data)
        assert not isinstance(command, WhoCarries | Drain | TransferNews), "nothing a talker says"
        if isinstance(command, ReplayCaller):
            self.replays_asked.append(command)
            await message.respond(b"")
            return
        leg = self.legs[ids.call_key(command.call_id)]
        assert command.epoch == leg.epoch, "a command of an epoch that is over"
        match command:
            case Ready():
                self.talker_id = command.talker_id  # it may be ready before word of the accepted offer has come
                leg.readies.append(command)
                await message.respond(self._cut(leg).encode())
                if leg.cut.is_granted:
                    await self._replay(leg)
            case Clear():
                leg.clears.append(command)
                if not leg.is_deaf:
                    await message.respond(leg.clear().encode())
            case Transfer():
                leg.transfers.append(command)
                await message.respond(b"")
            case HangUp():
                leg.hang_ups.append(command)
            case HandoverPlease():
                leg.wishes.append(command)
                await message.respond(b"")
            case StandingAsked():
                leg.standings.append(command)
                if leg.is_current is not None:
                    await message.respond(Standing(is_current=leg.is_current).encode())

    async def _on_audio(self, message: Msg) -> None:
        for record in audio.decode(message.data):
            leg = self.legs[record[0]]
            assert record[1] == leg.epoch, "audio of an epoch that is over"
            leg.take(record)

    async def _on_fact(self, message: Msg) -> None:
        self.facts.append(decode_as(Fact, message.data))

    async def _on_outcome(self, message: Msg) -> None:
        self.outcomes.append(Outcome.decode(message.data))

    async def _on_heartbeat(self, message: Msg) -> None:
        self.heartbeats.append(Heartbeat.decode(message.data))


@asynccontextmanager
async def stand_in(nats_url: str, pool: Pool = "realtime") -> AsyncIterator[EdgeStandIn]:
    """An edge on the bus, which offers its calls to one pool of talkers."""
    client = await nats.connect(nats_url)
    edge = EdgeStandIn(client, pool)
    try:
        await edge.start()
        yield edge
    finally:
        await client.close()


async def until(condition: Callable[[], object], within_s: float = 8.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
