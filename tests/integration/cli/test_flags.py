"""`trunkline flags`, on a real bus: shown, changed unseen by nobody, and recorded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

import e2e.command
from common import subjects
from common.background import Background
from common.bus import topology
from common.bus.connection import Bus
from common.bus.history import facts_of
from common.errors import ConfigError, TrunklineError
from common.flags import Flags
from common.messages.facts import FLEET, AnyFact, FlagChanged
from e2e.command import Command, environment
from edge.flag_watch import FlagWatch
from fakes.waiting import until
from trunkline.fleet import flags as fleet
from trunkline.fleet.flags import FlagChange


@contextlib.asynccontextmanager
async def connected(url: str, *, with_streams: bool = True) -> AsyncIterator[Bus]:
    bus = Bus([url], "test")
    await bus.connect()
    try:
        if with_streams:
            await topology.ensure(bus)
        yield bus
    finally:
        await bus.close()


async def flags(nats_url: str, cwd: Path, *arguments: str) -> Command:
    """The command, which has ended."""
    return await e2e.command.run("flags", *arguments, "--nats-url", nats_url, cwd=cwd, env=environment())


async def recorded(bus: Bus) -> list[tuple[str, str, str]]:
    facts, is_complete = await facts_of(bus, FLEET, 10)
    assert is_complete
    return [_recorded(fact) for fact in facts]


def _recorded(fact: AnyFact) -> tuple[str, str, str]:
    assert isinstance(fact, FlagChanged)
    assert fact.changed_at.endswith("+00:00")
    return fact.name, fact.before, fact.value


async def test_a_flag_is_set_followed_shown_and_taken_away(nats_url: str, tmp_path: Path) -> None:
    async with connected(nats_url) as bus:
        watch, background = FlagWatch(bus, Flags()), Background()
        background.start("flags", watch.run())
        for value, before, percent in (("25", None, 25), (" 000", "25", 0)):
            command = await flags(nats_url, tmp_path, "set", "realtime.rollout", value, "--json")
            assert command.events == [changed(before, str(percent))], command.errors
            await until(partial(_stands, watch, Flags(rollout_percent=percent)))
        command = await flags(nats_url, tmp_path, "show", "--json")
        standing = [(event["name"], event["value"]) for event in command.named("flag")]
        assert standing == [("realtime.enabled", None), ("realtime.rollout", "0"), ("fallback.enabled", None)]
        changes = [(event["name"], event["value"]) for event in command.named("change")]
        assert changes == [("realtime.rollout", "0"), ("realtime.rollout", "25")]
        command = await flags(nats_url, tmp_path, "unset", "realtime.rollout", "--json")
        assert command.events == [changed("0", None)], command.errors
        await until(lambda: watch.current == Flags())
        await background.stop()
        assert await recorded(bus) == [
            ("realtime.rollout", "", "25"),
            ("realtime.rollout", "25", "0"),
            ("realtime.rollout", "0", ""),
        ]


def _stands(watch: FlagWatch, flags: Flags) -> bool:
    return watch.current == flags


def changed(before: str | None, after: str | None) -> dict[str, str | None]:
    return {"event": "flag_changed", "name": "realtime.rollout", "before": before, "after": after}


async def test_what_is_so_already_is_neither_written_nor_recorded(nats_url: str, tmp_path: Path) -> None:
    async with connected(nats_url) as bus:
        command = await flags(nats_url, tmp_path, "unset", "realtime.enabled", "--json")
        assert (command.process.returncode, command.events[0]["event"]) == (0, "flag_unchanged")
        await fleet.change(bus, "realtime.enabled", "true")
        command = await flags(nats_url, tmp_path, "set", "realtime.enabled", "True", "--json")
        assert (command.process.returncode, command.events[0]["event"]) == (0, "flag_unchanged")
        assert len(await fleet.history(bus)) == len(await recorded(bus)) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("set", "realtime.rolout", "5"), "no such flag; did you mean realtime.rollout? There are realtime.enabled"),
        (("set", "realtime.rollout", "101"), "realtime.rollout: give a whole number from 0 to 100"),
        (("set", "realtime.enabled", "on"), "realtime.enabled: give true or false"),
        (("unset", "realtime"), "no such flag; "),
    ],
)
async def test_what_is_no_flag_or_no_value_is_refused_before_the_bus_is_sought(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    command = await flags("nats://127.0.0.1:1", tmp_path, *arguments, "--json")
    assert (command.process.returncode, command.events) == (2, [])
    assert command.errors.startswith(f"error: {told}")
    assert len(command.errors.splitlines()) == 1


async def test_flags_that_leave_no_talkers_are_refused(nats_url: str) -> None:
    async with connected(nats_url) as bus:
        await fleet.change(bus, "realtime.enabled", "false")
        with pytest.raises(ConfigError, match=r"realtime\.enabled and fallback\.enabled: one of them must be true"):
            await fleet.change(bus, "fallback.enabled", "false")
        await fleet.change(bus, "realtime.enabled", None)
        await fleet.change(bus, "fallback.enabled", "false")
        with pytest.raises(ConfigError):
            await fleet.change(bus, "realtime.enabled", "false")


@pytest.mark.parametrize(("before", "after"), [(None, "50"), ("0", "50"), ("0", None)])
async def test_of_two_operators_the_slower_one_is_told(nats_url: str, before: str | None, after: str | None) -> None:
    """What one has decided upon is stale once another has changed it."""
    async with connected(nats_url) as bus:
        if before is not None:
            await fleet.change(bus, "realtime.rollout", before)
        seen = (await fleet.read(bus)).get("realtime.rollout")
        await fleet.change(bus, "realtime.rollout", "75")
        wanted = FlagChange("realtime.rollout", before, after)
        with pytest.raises(TrunklineError, match=r"somebody else has just changed realtime\.rollout: it is now '75'"):
            await fleet._write(bus, wanted, seen.revision if seen else 0)
        assert (await fleet.read(bus))["realtime.rollout"].text == "75"


async def test_of_many_at_once_each_change_is_seen_by_the_next(nats_url: str) -> None:
    async with connected(nats_url) as bus:
        changes = [fleet.change(bus, "realtime.rollout", str(percent)) for percent in range(10)]
        ended = await asyncio.gather(*changes, return_exceptions=True)
        won = {each.after: each.before for each in ended if isinstance(each, FlagChange)}
        assert all(isinstance(each, FlagChange) or "somebody else" in str(each) for each in ended)
        written = [entry.text for entry in reversed(await fleet.history(bus))]
        assert [(won[text], text) for text in written] == list(zip([None, *written[:-1]], written, strict=True))


async def test_a_flag_that_was_taken_away_or_holds_garbage_can_be_set(nats_url: str) -> None:
    async with connected(nats_url) as bus:
        await (await bus.jetstream.key_value(subjects.FLAGS_BUCKET)).put("realtime.rollout", b"x" * 1_000)
        assert (await fleet.change(bus, "realtime.rollout", "5")).after == "5"
        await fleet.change(bus, "realtime.rollout", None)
        assert await fleet.change(bus, "realtime.rollout", "6") == FlagChange("realtime.rollout", None, "6")
        assert [(len(before), value) for _, before, value in await recorded(bus)] == [(40, "5"), (1, ""), (0, "6")]


async def test_a_change_without_its_record_is_said(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_RECORDED_WITHIN_S", 0.3)
    async with connected(nats_url) as bus:
        await bus.jetstream.delete_stream(subjects.FACTS_STREAM)
        with pytest.raises(TrunklineError, match=r"^realtime\.rollout is changed, but the stream of facts did not"):
            await fleet.change(bus, "realtime.rollout", "5")
        assert (await fleet.read(bus))["realtime.rollout"].text == "5"


async def test_without_bucket_or_bus_it_says_what_to_do(nats_url: str, tmp_path: Path) -> None:
    command = await flags(nats_url, tmp_path, "show", "--json")
    assert (command.process.returncode, command.events) == (1, [])
    assert "no service has run yet that makes their bucket; `trunkline ps` shows what lives" in command.errors
    command = await flags("nats://127.0.0.1:1", tmp_path, "set", "realtime.rollout", "5", "--json")
    assert (command.process.returncode, command.events) == (1, [])
    assert "NATS at 127.0.0.1:1 does not answer" in command.errors
    assert "Traceback" not in command.errors
