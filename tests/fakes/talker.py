"""A talker without a model: speaks the bus protocol as a worker does, and does otherwise only what a test tells it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from common import audio, ids, pcmu, subjects
from common.audio import Kind, RawRecord
from common.conversation import Turn
from common.messages.base import Message, decode_as
from common.messages.commands import (
    Adopt,
    Adopted,
    Clear,
    CutOver,
    Digits,
    Drain,
    HandoverPlease,
    HangUp,
    Heard,
    Ping,
    Ready,
    Release,
    ReplayCaller,
    TakeOver,
    TalkerCommand,
    Transfer,
)
from common.messages.facts import LevelCause, ServiceLevelChanged
from common.messages.heartbeat import Heartbeat
from common.messages.offers import Accepted, HandoverReason, Offer, Refused
from common.subjects import Pool, ProcessKind
from fakes.waiting import until

Manners: TypeAlias = Literal[
    "talks", "refuses", "has no provider", "fails", "never answers", "never gets ready", "answers nonsense"
]
"""`has no provider`: its breakers are open, so it refuses what is not a last resort. `fails`: it takes calls, but its
provider gives it no session."""

_ASK_WITHIN_S = 5.0
_BEAT_EVERY_S = 0.1
_CHUNK_MS = 1_000


@dataclass
class Talker:
    """One member of a pool."""

    client: Client
    talker_id: str
    manners: Manners = "talks"
    capacity: int = 10
    pool: Pool = "realtime"
    offers: list[Offer] = field(default_factory=list)
    cuts: list[CutOver] = field(default_factory=list)
    caller_audio: list[RawRecord] = field(default_factory=list)
    commands: list[Release | Digits | TakeOver | Adopt | Ping | Drain] = field(default_factory=list)
    adopted: Callable[[Adopt], Adopted] = lambda _: Adopted(is_adopted=False)
    """What it answers to an edge that wants to adopt it."""
    _sequences: dict[tuple[str, int], int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Join the pool and show signs of life."""
        await self.client.subscribe(subjects.caller_audio(self.talker_id), cb=self._on_caller_audio)
        await self.client.subscribe(subjects.talker(self.talker_id), cb=self._on_command)
        await self.client.subscribe(subjects.offer_to(self.pool, self.talker_id), cb=self._on_offer)
        await self.client.subscribe(subjects.offer(self.pool), queue=self.pool, cb=self._on_offer)
        await self.client.flush()
        self._spawn(self._beat())

    async def leave(self) -> None:
        """Say farewell and go."""
        self._cancel()
        if self.client.is_connected:
            await self._publish_heartbeat(is_farewell=True)
            await self.client.flush()
            await self.client.close()

    async def die(self) -> None:
        """Go as a killed process goes: the connection drops, nothing is said."""
        self._cancel()
        await self.client.close()

    # --- what a worker says -------------------------------------------------------------------------------------------

    async def ready(self, offer: Offer) -> CutOver:
        """Say that the session for `offer` is open."""
        ready = Ready(
            call_id=offer.call_id,
            epoch=offer.epoch,
            talker_id=self.talker_id,
            realtime_session_id=f"sess-{self.talker_id}",
            is_warm=False,
            open_ms=1,
        )
        cut = CutOver.decode(await self._ask(offer, ready))
        self.cuts.append(cut)
        return cut

    async def clear(self, offer: Offer, *, onset_ms: int = 0, through_sequence: int | None = None) -> Heard:
        """The caller barged in."""
        through = self._sequences.get((offer.call_id, offer.epoch), 0) if through_sequence is None else through_sequence
        clear = Clear(call_id=offer.call_id, epoch=offer.epoch, through_sequence=through, onset_ms=onset_ms)
        return Heard.decode(await self._ask(offer, clear))

    async def please(self, offer: Offer, reason: HandoverReason, *, retryable: bool = True) -> None:
        """Ask to be replaced."""
        wish = HandoverPlease(
            call_id=offer.call_id,
            epoch=offer.epoch,
            talker_id=self.talker_id,
            reason=reason,
            error_code="unavailable",
            is_retryable=retryable,
        )
        await self.client.publish(subjects.edge(offer.edge_id), wish.encode())

    async def transfer(self, offer: Offer, to: str, summary: str = "") -> None:
        """Give the caller to a human, who is told `summary`."""
        wish = Transfer(call_id=offer.call_id, epoch=offer.epoch, talker_id=self.talker_id, to=to, summary=summary)
        await self._ask(offer, wish)

    async def hang_up(self, offer: Offer) -> None:
        """End the call."""
        wish = HangUp(call_id=offer.call_id, epoch=offer.epoch, talker_id=self.talker_id)
        await self.client.publish(subjects.edge(offer.edge_id), wish.encode())

    async def serve_at(self, offer: Offer, level: int, before: int, cause: LevelCause) -> None:
        """Tell at which level the call is served from now on."""
        fact = ServiceLevelChanged(call_id=offer.call_id, epoch=offer.epoch, level=level, before=before, cause=cause)
        await self.client.publish(subjects.fact(offer.call_id), fact.encode())

    async def ask_for_replay(self, offer: Offer, for_s: float, *, talker_id: str = "") -> None:
        """Say that the caller's audio of the last seconds may not have come."""
        await self._ask(offer, ReplayCaller(talker_id=talker_id or self.talker_id, for_s=for_s))

    async def say(self, offer: Offer, item_id: str, ms: int, text: str = "", *, asked_at_ms: int = 0) -> None:
        """One whole agent turn in one batch."""
        body = item_id.encode()
        await self.send(
            offer,
            (Kind.ITEM, asked_at_ms, body),
            (Kind.TEXT, 0, text.encode()),
            *((Kind.AUDIO, at_ms, pcmu.silence(min(_CHUNK_MS, ms - at_ms))) for at_ms in range(0, ms, _CHUNK_MS)),
            (Kind.ITEM_END, ms, body),
        )

    async def send(self, offer: Offer, *records: tuple[Kind, int, bytes]) -> None:
        """One batch of kind, timestamp and payload, numbered on."""
        place = (offer.call_id, offer.epoch)
        batch: list[RawRecord] = []
        for kind, timestamp_ms, payload in records:
            self._sequences[place] = self._sequences.get(place, 0) + 1
            key = ids.call_key(offer.call_id)
            batch.append((key, offer.epoch, self._sequences[place], timestamp_ms, kind, payload))
        await self.client.publish(subjects.agent_audio(offer.edge_id), audio.encode(batch))

    # --- what a test looks at -----------------------------------------------------------------------------------------

    async def offered(self, count: int = 1) -> Offer:
        """Wait for the offer of this number; it is answered by then."""
        await until(lambda: len(self.offers) >= count)
        return self.offers[count - 1]

    async def cut_over_to(self, count: int = 1) -> Offer:
        """Wait until `Ready` was answered that often. Returns the newest offer."""
        await until(lambda: len(self.cuts) >= count)
        return self.offers[-1]

    async def released(self, condition: Callable[[Release], bool] = lambda _: True) -> Release:
        """Wait for a release."""

        def found() -> list[Release]:
            return [command for command in self.commands if isinstance(command, Release) and condition(command)]

        await until(found)
        return found()[0]

    # ------------------------------------------------------------------------------------------------------------------

    async def _ask(self, offer: Offer, message: Message) -> bytes:
        answer = await self.client.request(subjects.edge(offer.edge_id), message.encode(), timeout=_ASK_WITHIN_S)
        return answer.data

    async def _on_offer(self, message: Msg) -> None:
        offer = Offer.decode(message.data)
        self.offers.append(offer)
        match self.manners:
            case "refuses":
                await message.respond(Refused(talker_id=self.talker_id, reason="full").encode())
            case "has no provider" if not offer.is_last_resort:
                await message.respond(Refused(talker_id=self.talker_id, reason="provider_down").encode())
            case "fails":
                await message.respond(Accepted(talker_id=self.talker_id).encode())
                self._spawn(self.please(offer, HandoverReason.UPSTREAM_FAILED))
            case "answers nonsense":
                await message.respond(b'{"kind":"perhaps"}')
            case "never gets ready":
                await message.respond(Accepted(talker_id=self.talker_id).encode())
            case "talks" | "has no provider":
                await message.respond(Accepted(talker_id=self.talker_id).encode())
                self._spawn(self._get_ready(offer))
            case "never answers":
                pass

    async def _get_ready(self, offer: Offer) -> None:
        """An edge that is gone does not answer; a real talker gives up then as well."""
        with contextlib.suppress(NatsError):
            await self.ready(offer)

    async def _on_caller_audio(self, message: Msg) -> None:
        self.caller_audio += audio.decode(message.data)

    async def _on_command(self, message: Msg) -> None:
        command = decode_as(TalkerCommand, message.data)
        self.commands.append(command)
        match command:
            case Ping():
                await message.respond(b"{}")
            case Adopt():
                await message.respond(self.adopted(command).encode())
            case TakeOver(cut=cut):
                self.cuts.append(cut)
            case _:
                pass

    async def _beat(self) -> None:
        while True:
            await self._publish_heartbeat()
            await asyncio.sleep(_BEAT_EVERY_S)

    async def _publish_heartbeat(self, *, is_farewell: bool = False) -> None:
        kind: ProcessKind = "realtime_worker" if self.pool == "realtime" else "fallback"
        heartbeat = Heartbeat(
            kind=kind,
            process_id=self.talker_id,
            calls=0,
            capacity=self.capacity,
            is_farewell=is_farewell,
        )
        await self.client.publish(subjects.heartbeat(kind, self.talker_id), heartbeat.encode())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()


@contextlib.asynccontextmanager
async def talking(
    url: str,
    manners: Manners = "talks",
    *,
    talker_id: str = "",
    capacity: int = 10,
    pool: Pool = "realtime",
) -> AsyncIterator[Talker]:
    """A talker on the bus at `url`, which leaves with the context."""
    client = await nats.connect(url, allow_reconnect=False)
    talker = Talker(client, talker_id or ids.new_id("talker"), manners, capacity, pool)
    await talker.start()
    try:
        yield talker
    finally:
        await talker.leave()


def spoken(cut: CutOver) -> list[Turn]:
    """What was said, of the conversation that came with a cut."""
    return [turn for turn in cut.conversation if isinstance(turn, Turn)]
