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

from common import audio, ids, subjects
from common.audio import Kind, RawRecord
from common.conversation import Turn
from common.messages.base import decode_as
from common.messages.commands import Clear, CutOver, EdgeCommand, HandoverPlease, Heard, Ready, Release
from common.messages.facts import AnyFact, Fact
from common.messages.heartbeat import Heartbeat
from common.messages.offers import Accepted, HandoverReason, Offer, OfferAnswer, Refused
from common.messages.outcome import Outcome
from common.pcmu import FRAME_BYTES, FRAME_MS, SILENCE
from common.profile import AgentProfile, ServerVad

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
    is_granted: bool = True
    is_deaf: bool = False
    """True: clears are not answered."""
    records: list[RawRecord] = field(default_factory=list)
    readies: list[Ready] = field(default_factory=list)
    clears: list[Clear] = field(default_factory=list)
    wishes: list[HandoverPlease] = field(default_factory=list)
    began: dict[str, float] = field(default_factory=dict)
    current_item: str = ""
    cut: list[Heard] = field(default_factory=list)

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
            return Heard()
        heard_ms = round((time.monotonic() - self.began.pop(item_id)) * 1000)
        if heard_ms >= self.audio_ms(item_id):
            return Heard()
        self.cut.append(Heard(item_id=item_id, heard_ms=heard_ms))
        return self.cut[-1]


class EdgeStandIn:
    """Answers what a worker asks of an edge."""

    def __init__(self, client: Client) -> None:
        self.edge_id = ids.new_id("edge")
        self.client = client
        self.legs: dict[int, Leg] = {}
        self.facts: list[AnyFact] = []
        self.outcomes: list[Outcome] = []
        self.heartbeats: list[Heartbeat] = []
        self.talker_id = ""

    async def start(self) -> None:
        await self.client.subscribe(subjects.edge(self.edge_id), cb=self._on_command)
        await self.client.subscribe(subjects.agent_audio(self.edge_id), cb=self._on_audio)
        await self.client.subscribe(subjects.ALL_FACTS, cb=self._on_fact)
        await self.client.subscribe(subjects.ALL_OUTCOMES, cb=self._on_outcome)
        await self.client.subscribe(subjects.heartbeats_of("realtime_worker"), cb=self._on_heartbeat)
        await self.client.flush()

    # --- what a test does ---------------------------------------------------------------------------------------------

    async def offer(
        self,
        *,
        profile: AgentProfile = PROFILE,
        reason: HandoverReason = HandoverReason.START,
        conversation: tuple[Turn, ...] = (),
        call_id: str = "",
        epoch: int = 1,
        is_granted: bool = True,
    ) -> tuple[Leg, Accepted | Refused]:
        """Offer a call to the pool."""
        leg = Leg(call_id or ids.new_id("call"), epoch, is_granted=is_granted)
        self.legs[ids.call_key(leg.call_id)] = leg
        offer = Offer(
            call_id=leg.call_id,
            edge_id=self.edge_id,
            epoch=epoch,
            reason=reason,
            profile=profile,
            conversation=conversation,
        )
        answer = decode_as(OfferAnswer, (await self.request(offer.encode())).data)
        self.talker_id = answer.talker_id
        return leg, answer

    async def request(self, offer: bytes) -> Msg:
        return await self.client.request(subjects.offer("realtime"), offer, timeout=2)

    async def speak(self, leg: Leg, pcmu: bytes, *, pace: float = 1.0) -> None:
        """Send caller audio as a carrier would; `pace` times real time."""
        due = time.monotonic()
        for start in range(0, len(pcmu), FRAME_BYTES):
            await self.send_frame(leg, pcmu[start : start + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE))
            due += FRAME_MS / 1000 / pace
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def be_silent(self, leg: Leg, ms: int, *, pace: float = 1.0) -> None:
        await self.speak(leg, SILENCE * (ms * 8), pace=pace)

    async def send_frame(self, leg: Leg, pcmu: bytes, *, epoch: int | None = None) -> None:
        record = (ids.call_key(leg.call_id), epoch or leg.epoch, 1, leg.clock_ms, int(Kind.AUDIO), pcmu)
        leg.clock_ms += FRAME_MS
        await self.client.publish(subjects.caller_audio(self.talker_id), audio.encode([record]))

    async def release(self, leg: Leg) -> None:
        release = Release(call_id=leg.call_id, epoch=leg.epoch, reason="test")
        await self.client.publish(subjects.talker(self.talker_id), release.encode())

    async def ready(self, leg: Leg) -> Ready:
        await until(lambda: leg.readies)
        return leg.readies[0]

    def facts_of(self, leg: Leg, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if fact.call_id == leg.call_id and isinstance(fact, kind)]

    # --- what the bus does --------------------------------------------------------------------------------------------

    async def _on_command(self, message: Msg) -> None:
        command = decode_as(EdgeCommand, message.data)
        leg = self.legs[ids.call_key(command.call_id)]
        match command:
            case Ready():
                leg.readies.append(command)
                await message.respond(CutOver(is_granted=leg.is_granted, leg_clock_ms=leg.clock_ms).encode())
            case Clear():
                leg.clears.append(command)
                if not leg.is_deaf:
                    await message.respond(leg.clear().encode())
            case HandoverPlease():
                leg.wishes.append(command)

    async def _on_audio(self, message: Msg) -> None:
        for record in audio.decode(message.data):
            self.legs[record[0]].take(record)

    async def _on_fact(self, message: Msg) -> None:
        self.facts.append(decode_as(Fact, message.data))

    async def _on_outcome(self, message: Msg) -> None:
        self.outcomes.append(Outcome.decode(message.data))

    async def _on_heartbeat(self, message: Msg) -> None:
        self.heartbeats.append(Heartbeat.decode(message.data))


@asynccontextmanager
async def stand_in(nats_url: str) -> AsyncIterator[EdgeStandIn]:
    """An edge on the bus."""
    client = await nats.connect(nats_url)
    edge = EdgeStandIn(client)
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
