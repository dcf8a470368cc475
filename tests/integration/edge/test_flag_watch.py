"""The watch over the flags, on a real bus: what is in the bucket counts, whatever happens to bus and bucket."""

import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from nats.js.kv import KeyValue

from common import metrics, subjects
from common.background import Background
from common.bus import topology
from common.bus.connection import Bus
from common.flags import Flags
from edge import flag_watch
from edge.flag_watch import FlagWatch
from fakes.nats import NatsBinary
from fakes.waiting import until

CALL = "CA" + "0" * 32
FIRST = Flags(rollout_percent=30)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flag_watch, "_LOOK_EVERY_S", 0.02)


@dataclass
class Watched:
    """A running watch, and the bucket it reads."""

    bus: Bus
    watch: FlagWatch

    async def bucket(self) -> KeyValue:
        return await self.bus.jetstream.key_value(subjects.FLAGS_BUCKET)

    async def put(self, name: str, value: bytes) -> None:
        await (await self.bucket()).put(name, value)

    async def stands(self, flags: Flags) -> None:
        await until(lambda: self.watch.current == flags)


@contextlib.asynccontextmanager
async def watching(url: str, *, with_bucket: bool = True) -> AsyncIterator[Watched]:
    bus = Bus([url], "edge-1")
    await bus.connect()
    if with_bucket:
        await topology.ensure(bus)
    watched = Watched(bus, FlagWatch(bus, FIRST))
    background = Background()
    background.start("flags", watched.watch.run())
    try:
        yield watched
        assert background.failed() is None
    finally:
        await background.stop()
        await bus.close()


def refused() -> float:
    return float(metrics.BUS_REJECTS.labels("malformed")._value.get())


async def test_what_is_in_the_bucket_wins_over_the_environment_and_is_followed(nats_url: str) -> None:
    async with watching(nats_url) as on:
        assert on.watch.current == FIRST
        await on.put("realtime.rollout", b"0")
        await on.stands(Flags(rollout_percent=0))
        assert on.watch.home_of(CALL, "desk") == "fallback"
        await on.put("realtime.rollout.desk", b"100")
        await on.stands(Flags(rollout_percent=0, rollout_percents={"desk": 100}))
        assert (on.watch.home_of(CALL, "desk"), on.watch.home_of(CALL, "sales")) == ("realtime", "fallback")
        await on.put("realtime.enabled", b"false")
        await until(lambda: on.watch.home_of(CALL, "desk") == "fallback")
        assert on.watch.is_fallback_enabled()
        await on.put("fallback.enabled", b"false")
        await until(lambda: not on.watch.is_fallback_enabled())
        assert on.watch.home_of(CALL, "desk") == "realtime"


async def test_a_flag_that_is_taken_away_is_as_the_environment_has_it(nats_url: str) -> None:
    async with watching(nats_url) as on:
        await on.put("realtime.rollout", b"0")
        await on.put("realtime.rollout.desk", b"5")
        await on.stands(Flags(rollout_percent=0, rollout_percents={"desk": 5}))
        await (await on.bucket()).delete("realtime.rollout.desk")
        await on.stands(Flags(rollout_percent=0))
        await (await on.bucket()).purge("realtime.rollout")
        await on.stands(FIRST)


@pytest.mark.parametrize("garbage", [b"", b"101", b"\xff\xfe", b"x" * 10_000])
async def test_garbage_leaves_its_flag_as_it_was_and_is_told_once(
    nats_url: str, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    before = refused()
    async with watching(nats_url) as on:
        await on.put("realtime.rollout", b"0")
        await on.stands(Flags(rollout_percent=0))
        await on.put("realtime.rollout", garbage)
        await on.put("realtime.rolout", b"1")
        await on.put("fallback.enabled", b"false")
        await until(lambda: not on.watch.is_fallback_enabled())
        await on.put("fallback.enabled", b"true")
        await on.stands(Flags(rollout_percent=0))
        told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert told == ["a flag in the bucket is refused"] * 2
        assert refused() == before + 2
        await on.put("realtime.rollout", b"7")
        await on.stands(Flags(rollout_percent=7))


async def test_without_a_bucket_the_environment_counts_until_there_is_one(nats_url: str) -> None:
    async with watching(nats_url, with_bucket=False) as on:
        assert on.watch.home_of(CALL, "desk") in ("realtime", "fallback")
        await topology.ensure(on.bus)
        await on.put("realtime.rollout", b"1")
        await on.stands(Flags(rollout_percent=1))


async def test_what_was_known_counts_on_while_jetstream_or_the_bus_is_away(caplog: pytest.LogCaptureFixture) -> None:
    server = NatsBinary()
    try:
        await server.start()
        async with watching(server.url) as on:
            await on.put("realtime.rollout", b"0")
            await on.stands(Flags(rollout_percent=0))
            await server.stop()
            await until(lambda: not on.bus.is_connected)
            assert on.watch.current == Flags(rollout_percent=0)
            with caplog.at_level(logging.DEBUG, logger="trunkline.flags"):
                await server.start(jetstream=False)
                await until(lambda: on.bus.is_connected)
                caplog.clear()
                await until(lambda: [record for record in caplog.records if record.name == "trunkline.flags"])
            assert on.watch.current == Flags(rollout_percent=0)
            await server.stop()
            await server.start()
            await until(lambda: on.bus.is_connected)
            await topology.ensure(on.bus)
            await on.put("realtime.rollout", b"60")
            await on.stands(Flags(rollout_percent=60))
    finally:
        await server.discard()


async def test_watching_leaves_no_consumer_behind(nats_url: str) -> None:
    async with watching(nats_url) as on:
        for percent in (1, 2):
            await on.put("realtime.rollout", b"%d" % percent)
            await on.stands(Flags(rollout_percent=percent))
        state = (await on.bus.jetstream.stream_info(f"KV_{subjects.FLAGS_BUCKET}")).state
        assert state.consumer_count == 0
