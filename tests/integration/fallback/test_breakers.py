"""The fleet's breakers on a real bus: outcomes in, standings out, probes, operators, replicas."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.errors import Error as NatsError

from common import subjects
from common.errors import ConfigError
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerState, TripReason
from common.messages.facts import FLEET
from fakes.nats import running_nats
from fakes.waiting import until
from fallback.bootstrap import build
from fallback.control import key_of
from fallback.settings import FallbackSettings
from integration.edge.running import counted
from integration.fallback.replicas import MODEL, QUICK, Fleet, fleet, replica, replica_process


async def kept(nats_url: str, standing: BreakerStanding) -> BreakerStanding:
    """What KV holds of a breaker."""
    client = await nats.connect(nats_url)
    bucket = await client.jetstream().key_value(subjects.CONTROL_BUCKET)
    value = (await bucket.get(key_of(standing))).value or b""
    await client.close()
    return BreakerStanding.decode(value)


async def trip(on: Fleet) -> BreakerStanding:
    """Let it fail until its breaker is open."""
    await on.ask()
    await on.attempt(10, "unavailable")
    return await on.stands("open")


async def test_failures_open_a_breaker_and_everybody_is_told_once_with_the_numbers(nats_url: str) -> None:
    async with fleet(nats_url) as on, replica(nats_url):
        standing = await trip(on)
        assert (standing.share, standing.mode, standing.reason) == (0.0, BreakerMode.AUTO, TripReason.FAILURES)
        assert (standing.attempts, standing.failures) == (10, 10)
        assert standing.changed_at
        await until(lambda: on.facts)
        (changed,) = on.facts
        assert (changed.call_id, changed.standing) == (FLEET, standing)
        async with asyncio.timeout(20):
            while await kept(nats_url, standing) != standing:
                await asyncio.sleep(0.02)


async def test_a_provider_that_limits_our_rate_or_refuses_us_for_good_is_not_an_outage(nats_url: str) -> None:
    before = counted("provider_outcomes", provider="openai", attempt="response", verdict="neither")
    async with fleet(nats_url) as on, replica(nats_url):
        await on.ask()
        await on.attempt(60, "throttled")
        await on.attempt(60, "rejected")
        await on.attempt(1)
        assert (await on.stands("closed")).attempts == 0
        assert on.facts == []
    assert counted("provider_outcomes", provider="openai", attempt="response", verdict="neither") == before + 120


async def test_models_are_judged_each_by_itself(nats_url: str) -> None:
    async with fleet(nats_url) as on, replica(nats_url):
        await on.ask()
        await on.attempt(20, model="gpt-realtime-2.1-mini")
        await on.attempt(5, "deadline", connects=True)
        assert (await on.stands("open")).reason is TripReason.CONNECTS
        mini = await on.stands("closed", "gpt-realtime-2.1-mini")
        assert mini.share == 1.0


async def test_it_comes_back_through_probes_and_a_ramp(nats_url: str) -> None:
    async with fleet(nats_url) as on, replica(nats_url, **QUICK):
        await trip(on)
        await until(lambda: on.facts and on.facts[-1].standing.state is BreakerState.CLOSED)
        told = [(fact.standing.state.value, fact.standing.share) for fact in on.facts]
        assert [state for state, _ in told if state != "ramping"] == ["open", "half_open", "closed"]
        shares = [share for state, share in told if state == "ramping"]
        assert shares == sorted(set(shares))
        assert set(shares) <= {0.1, 0.25, 0.5, 1.0}
        assert [(probe.provider, probe.model) for probe in on.probed] == [("openai", MODEL)] * 5


@pytest.mark.parametrize("probe_error", ["unavailable", None])
async def test_while_probes_fail_or_nobody_answers_them_it_stays_away(nats_url: str, probe_error: str | None) -> None:
    async with fleet(nats_url) as on, replica(nats_url, **QUICK):
        on.probe_error = probe_error
        await trip(on)
        await until(lambda: len(on.probed) >= 3)
        assert {fact.standing.share for fact in on.facts} == {0.0}
        on.probe_error = ""
        await on.stands("closed")


async def test_an_operator_decides_and_gives_back(nats_url: str) -> None:
    async with fleet(nats_url) as on, replica(nats_url):
        await on.ask()
        await on.attempt(1)
        await on.stands("closed")
        (opened,) = (await on.order(BreakerMode.OPEN)).standings
        assert (opened.state, opened.mode, opened.share) == (BreakerState.CLOSED, BreakerMode.OPEN, 0.0)
        (given_back,) = (await on.order(BreakerMode.AUTO)).standings
        assert given_back.share == 1.0
        await until(lambda: len(on.facts) == 2)


async def test_orders_nobody_can_read_or_for_nobody_are_counted_and_change_nothing(nats_url: str) -> None:
    before = counted("bus_rejects", kind="malformed")
    async with fleet(nats_url) as on, replica(nats_url):
        await on.ask()
        await on.attempt(1)
        await on.stands("closed")
        with pytest.raises(NatsError):
            await on.order(BreakerMode.OPEN, model="a-model-of-nobody")
        await on.client.publish(subjects.BREAKER_ORDERS, b'{"kind":"order","mode":"sometimes"}')
        await on.client.publish(subjects.outcome("openai"), b"\xff")
        await on.client.publish(subjects.ALL_BREAKERS, b"[]")
        await until(lambda: counted("bus_rejects", kind="malformed") >= before + 4)
        (standing,) = (await on.ask()).standings
        assert (standing.mode, standing.share) == (BreakerMode.AUTO, 1.0)


async def test_made_up_models_do_not_fill_the_memory(nats_url: str) -> None:
    before = counted("bus_rejects", kind="too_many")
    async with fleet(nats_url) as on, replica(nats_url):
        await on.ask()
        for number in range(120):
            await on.attempt(1, model=f"model-{number}")
        await until(lambda: counted("bus_rejects", kind="too_many") == before + 20)
        assert len((await on.ask()).standings) == 100


# --- replicas ---------------------------------------------------------------------------------------------------------


async def test_of_two_replicas_one_decides_and_when_it_leaves_the_other_goes_on_from_there(nats_url: str) -> None:
    async with fleet(nats_url) as on, replica(nats_url) as first:
        await trip(on)
        await on.order(BreakerMode.CLOSED)
        async with replica(nats_url) as second:
            assert (await on.ask()).replica_id == first.talker_id
            said = len(on.said)
            await until(lambda: len(on.said) > said + 1)
            assert {each.replica_id for each in on.said} == {first.talker_id}
            await first.drain()
            await until(lambda: on.said[-1].replica_id == second.talker_id)
            standing = on.standing()
            assert standing is not None
            assert (standing.mode, standing.share) == (BreakerMode.CLOSED, 1.0)
            assert standing.state in (BreakerState.OPEN, BreakerState.HALF_OPEN)


async def test_when_the_deciding_replica_is_killed_the_other_keeps_what_it_decided(
    nats_url: str, tmp_path: Path
) -> None:
    slow = {"FALLBACK_BREAKER_OPEN_S": "60"}
    async with (
        fleet(nats_url) as on,
        replica_process(nats_url, tmp_path, "one", **slow) as one,
        replica_process(nats_url, tmp_path, "two", **slow) as two,
    ):
        before = await trip(on)
        decider, other = (one, two) if one.decides else (two, one)
        assert not other.decides
        replica_id = on.said[-1].replica_id
        decider.process.kill()
        await until(lambda: on.said[-1].replica_id != replica_id)
        assert other.decides
        after = await on.stands("open")
        assert (after.share, after.reason, after.failures) == (0.0, before.reason, before.failures)
        assert len(on.facts) == 1, "nothing has changed"


async def test_a_replica_that_starts_alone_reads_how_they_stood(nats_url: str) -> None:
    async with fleet(nats_url) as on:
        async with replica(nats_url, fallback_breaker_open_s=60):
            standing = await trip(on)
            async with asyncio.timeout(20):
                while await kept(nats_url, standing) != standing:
                    await asyncio.sleep(0.02)
        on.said.clear()
        async with replica(nats_url, fallback_breaker_open_s=60):
            assert await on.stands("open") == standing


async def test_without_jetstream_nobody_decides_and_nothing_breaks() -> None:
    async with running_nats(jetstream=False) as url, fleet(url) as on, replica(url) as service:
        await on.attempt(20, "unavailable")
        with contextlib.suppress(TimeoutError):
            await until(lambda: on.said, within_s=2.5)
        assert on.said == []
        assert service.missing() is None


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fallback_breaker_ramp_percent", "10,fifty", "FALLBACK_BREAKER_RAMP_PERCENT: '10,fifty' is no list"),
        ("fallback_breaker_ramp_percent", "50,10,100", "ramp is 0.5, 0.1, 1: it must rise"),
        ("fallback_breaker_failed_percent", 0, "failed_share is 0.0"),
        ("fallback_breaker_open_s", 61, "open_at_most_s is 60.0, less than open_s, which is 61.0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_before_anything_starts(
    name: str, value: Any, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        build(FallbackSettings(**{name: value}))
    assert message in str(refused.value)
