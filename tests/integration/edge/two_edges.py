"""Two edges behind one public address, each with a door of its own so that a test can choose; and what they wrote."""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from common import subjects
from common.messages.base import decode_as
from common.messages.commands import Adopt, Adopted, TalkersCommand, TalksTo, WhoTalks
from common.messages.facts import AnyFact, CallerSaid
from common.messages.offers import Offer
from fakes.talker import Talker
from fakes.waiting import until
from integration.edge.phone import Phone, Stream
from integration.edge.running import EdgeProcess, FactLog, edge_process, fact_log

PUBLIC = "http://voice.test:8080"


@dataclass
class Pair:
    """Two edges and the phone network in front of each."""

    one: EdgeProcess
    other: EdgeProcess
    facts: FactLog
    directory: Path

    @property
    def at_one(self) -> Phone:
        return Phone(PUBLIC, self.one.reached_at)

    @property
    def at_other(self) -> Phone:
        return Phone(PUBLIC, self.other.reached_at)

    async def kill(self, edge: EdgeProcess) -> None:
        """As kill -9 does."""
        edge.process.kill()
        await edge.process.wait()

    def records(self, call_id: str) -> list[dict[str, Any]]:
        """All records of a call so far, whichever edge wrote them."""
        file = self.directory / "calls.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [record for record in map(json.loads, lines) if record["call_id"] == call_id]

    async def only_record(self, call_id: str) -> dict[str, Any]:
        """Wait for the call's record."""
        await until(lambda: self.records(call_id), within_s=60)
        (record,) = self.records(call_id)
        return record


@asynccontextmanager
async def pair_of_edges(nats_url: str, directory: Path, **environ: str) -> AsyncIterator[Pair]:
    """Two edges as processes; those that still run at the end must end cleanly."""
    given = {"PUBLIC_BASE_URL": PUBLIC, **environ}
    async with (
        edge_process(nats_url, directory, environ=given) as one,
        edge_process(nats_url, directory, environ=given) as other,
        fact_log(nats_url) as facts,
    ):
        await all_known(nats_url, 2)
        yield Pair(one, other, facts, directory)
        for edge in (one, other):
            if edge.process.returncode is None:
                assert await edge.stop() == 0
            assert "Traceback" not in edge.log(), edge.log()
            assert '"level": "error"' not in edge.log(), edge.log()


async def all_known(nats_url: str, edges: int) -> None:
    """Wait until each edge has given two signs of life, which the others, being ready, have heard."""
    seen: Counter[str] = Counter()

    async def keep(message: Msg) -> None:
        seen[message.subject] += 1

    client = await nats.connect(nats_url)
    await client.subscribe(subjects.heartbeats_of("edge"), cb=keep)
    await until(lambda: len([subject for subject, count in seen.items() if count > 1]) >= edges)
    await client.close()


@contextlib.asynccontextmanager
async def resumed(phone: Phone, call_sid: str) -> AsyncIterator[Stream]:
    """The carrier asks what comes next, and connects the new stream."""
    answer = await phone.webhook("resume", call_sid)
    assert answer.verbs == ["Connect", "Redirect"], answer.body
    async with phone.stream(call_sid, answer.parameters) as stream:
        yield stream


def lets_itself_be_adopted(talker: Talker, clock_ms: int = 0) -> list[Adopt]:
    """From now on the talker goes on with its session for whoever adopts it. Returns the adoptions."""
    adoptions: list[Adopt] = []

    def adopted(adopt: Adopt) -> Adopted:
        adoptions.append(adopt)
        offer = next(offer for offer in talker.offers if offer.call_id == adopt.call_id)
        talker.offers.append(offer.model_copy(update={"epoch": adopt.new_epoch, "edge_id": adopt.edge_id}))
        return Adopted(is_adopted=True, realtime_session_id="sess-kept", leg_clock_ms=clock_ms)

    talker.adopted = adopted
    return adoptions


async def tells_what_it_holds(client: Client, talker_id: str, epoch_of: Callable[[str], int | None]) -> list[str]:
    """A talker answers `WhoTalks`. Returns the calls it was asked for."""
    asked: list[str] = []

    async def answer(message: Msg) -> None:
        question = decode_as(TalkersCommand, message.data)
        if isinstance(question, WhoTalks):
            asked.append(question.call_id)
            if (epoch := epoch_of(question.call_id)) is not None:
                await message.respond(TalksTo(talker_id=talker_id, epoch=epoch).encode())

    await client.subscribe(subjects.ALL_TALKERS, cb=answer)
    await client.flush()
    return asked


async def tell(talker: Talker, *facts: AnyFact) -> None:
    """Publish facts, and wait until the stream has them."""
    for fact in facts:
        await talker.client.jetstream().publish(subjects.fact(fact.call_id), fact.encode())


def caller_said(offer: Offer, item_id: str, text: str, start_ms: int, end_ms: int) -> CallerSaid:
    return CallerSaid(
        call_id=offer.call_id,
        epoch=offer.epoch,
        at_ms=end_ms,
        item_id=item_id,
        text=text,
        start_ms=start_ms,
        end_ms=end_ms,
    )


async def gone(stream: Stream) -> None:
    """Wait until the socket is closed, however."""
    await until(lambda: not stream.is_open)
