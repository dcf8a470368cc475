"""The commands for a running fleet, on a real bus: who lives, which calls run, draining, replacing a talker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from nats.aio.msg import Msg

import e2e.command
from common import subjects
from common.bus import topology
from common.bus.connection import Bus
from common.bus.pulse import Load, Pulse
from common.ending import end_tasks
from common.errors import TrunklineError, UpstreamUnavailable
from common.messages.base import Message, decode_as
from common.messages.commands import (
    Drain,
    Draining,
    EdgeCommand,
    EdgesCommand,
    EndReason,
    HandingOver,
    TalkerCommand,
)
from common.messages.facts import CallEnded, EpochChanged
from common.messages.heartbeat import Heartbeat
from common.messages.offers import HandoverReason
from common.subjects import ProcessKind
from e2e.command import Command, environment
from edge.registry import CallEntry
from fakes.nats import running_nats
from fakes.waiting import until
from trunkline.commands import calls
from trunkline.fleet import live_calls, lookout, reach
from trunkline.fleet.draining import Drainage
from trunkline.fleet.live_calls import LiveCall
from trunkline.fleet.replacing import Replacement
from trunkline.fleet.roster import Member, Roster

CALL_ID = "CA" + "7" * 32


class Peer:
    """A process that sends heartbeats and takes orders, as an edge or a worker does."""

    def __init__(self, bus: Bus, kind: ProcessKind, process_id: str) -> None:
        self.bus = bus
        self.kind = kind
        self.process_id = process_id
        self.calls = 2
        self.orders: list[Message] = []
        self.is_draining = False
        self.pulse = Pulse(bus, kind, process_id, lambda: Load(self.calls, 50, self.is_draining), 0.02)

    def on_command(self, message: Msg) -> bytes:
        is_edge = self.kind == "edge"
        order = decode_as(EdgeCommand, message.data) if is_edge else decode_as(TalkerCommand, message.data)
        self.orders.append(order)
        assert isinstance(order, Drain)
        self.is_draining = True
        return Draining(process_id=self.process_id, calls=self.calls).encode()


@contextlib.asynccontextmanager
async def peer(
    nats_url: str, kind: ProcessKind = "realtime_worker", process_id: str = "worker-aa"
) -> AsyncIterator[Peer]:
    async with reach.connected(nats_url) as bus:
        made = Peer(bus, kind, process_id)
        subject = subjects.edge(process_id) if kind == "edge" else subjects.talker(process_id)
        await bus.subscribe(subject, made.on_command)
        await bus._client.flush()
        beating = asyncio.create_task(made.pulse.run())
        try:
            yield made
        finally:
            await end_tasks([beating])


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """What a command holds."""
    async with reach.connected(nats_url) as connected:
        yield connected


async def run(nats_url: str, tmp_path: Path, *arguments: str) -> tuple[int | None, Command]:
    """One `trunkline …` as a user runs it, and its exit code."""
    command = await e2e.command.run(*arguments, "--nats-url", nats_url, cwd=tmp_path, env=environment())
    return command.process.returncode, command


async def entered(nats_url: str, *entries: tuple[str, CallEntry]) -> None:
    async with reach.connected(nats_url) as bus:
        await topology.ensure(bus)
        bucket = await bus.jetstream.key_value(subjects.CALLS_BUCKET)
        for call_id, entry in entries:
            await bucket.put(call_id, entry.encode())


def live(edge_id: str = "edge-cc", talker_id: str = "worker-aa") -> CallEntry:
    return CallEntry(edge_id=edge_id, state="live", profile="support-en", epoch=3, talker_id=talker_id)


async def test_ps_shows_who_lives_and_whose_loop_lags(nats_url: str, tmp_path: Path) -> None:
    async with peer(nats_url), peer(nats_url, "edge", "edge-cc") as edge:
        edge.is_draining = True
        code, command = await run(nats_url, tmp_path, "ps", "--json")
    assert code == 0, command.errors
    shown = [(one["process_id"], one["kind"], one["calls"], one["is_draining"]) for one in command.named("process")]
    assert shown == [("edge-cc", "edge", 2, True), ("worker-aa", "realtime_worker", 2, False)]
    assert all(one["pid"] and one["host"] and one["loop_lag_ms"] >= 0 for one in command.events)


async def test_ps_without_any_process_says_so(nats_url: str, tmp_path: Path) -> None:
    code, command = await run(nats_url, tmp_path, "ps", "--json")
    assert (code, command.events) == (1, [])
    assert command.errors.startswith("error: NATS answers, but no process gave a sign of life")


async def test_a_bus_that_does_not_answer_is_said_without_its_password() -> None:
    with pytest.raises(UpstreamUnavailable, match=r"NATS at 127\.0\.0\.1:1 does not answer"):
        async with reach.connected("nats://me:secret@127.0.0.1:1"):
            raise AssertionError("nobody is there")


async def test_calls_are_those_that_run_and_lost_processes_are_marked(nats_url: str, tmp_path: Path) -> None:
    ended = live().model_copy(update={"state": "ended", "end_reason": EndReason.CALLER_HANGUP})
    await entered(nats_url, (CALL_ID, live()), ("CAended", ended), ("CAlost", live("edge-dead")))
    async with peer(nats_url), peer(nats_url, "edge", "edge-cc"):
        code, command = await run(nats_url, tmp_path, "calls", "--json")
    assert code == 0, command.errors
    assert [(one["call_id"], one["edge_is_alive"], one["talker_is_alive"]) for one in command.named("call")] == [
        (CALL_ID, True, True),
        ("CAlost", False, True),
    ]
    assert command.events[0]["profile"] == "support-en"
    assert command.events[0]["epoch"] == 3


async def test_calls_show_at_which_service_level_each_is_and_where_it_belongs(nats_url: str, tmp_path: Path) -> None:
    lowered = live().model_copy(update={"service_level": 2})
    legacy = live().model_copy(update={"service_level": 2, "home": "fallback"})
    await entered(nats_url, ("CA1", live()), ("CA2", lowered), ("CA3", legacy))
    async with peer(nats_url), peer(nats_url, "edge", "edge-cc"):
        code, told = await run(nats_url, tmp_path, "calls", "--json")
    assert code == 0, told.errors
    assert [(one["service_level"], one["home"]) for one in told.named("call")] == [
        (0, "realtime"),
        (2, "realtime"),
        (2, "fallback"),
    ]
    row = calls._row(LiveCall("CA2", lowered), Roster({}, "host"))
    assert dict(zip(calls._HEADER, row, strict=True))["LEVEL"] == "L2"


async def test_an_empty_registry_has_no_calls(nats_url: str, bus: Bus) -> None:
    await entered(nats_url)
    assert await live_calls.read(bus) == []


async def test_an_entry_of_another_version_is_left_out(nats_url: str, bus: Bus) -> None:
    await entered(nats_url, (CALL_ID, live()))
    await (await bus.jetstream.key_value(subjects.CALLS_BUCKET)).put("CAodd", b"{}")
    assert [call.call_id for call in await live_calls.read(bus)] == [CALL_ID]


async def test_before_any_edge_there_is_no_registry(nats_url: str, bus: Bus) -> None:
    with pytest.raises(UpstreamUnavailable, match="no edge has started"):
        await live_calls.read(bus)


async def test_without_kv_it_is_said_where_to_look_instead() -> None:
    async with running_nats(jetstream=False) as url, reach.connected(url) as bus:
        with pytest.raises(UpstreamUnavailable, match=r"calls go on without it.*trunkline ps"):
            await live_calls.read(bus)


async def test_draining_follows_the_process_to_its_farewell(nats_url: str, bus: Bus) -> None:
    async with peer(nats_url) as worker:
        member = (await lookout.look_around(bus)).find("worker")
        drainage = Drainage(bus, member)
        assert await drainage.order(moves_calls=False) == 2
        seen: list[int] = []
        following = asyncio.create_task(drainage.follow(seen.append))
        await until(lambda: 2 in seen)
        worker.calls = 0
        await until(lambda: 0 in seen)
        await worker.pulse.farewell()
        assert await following is True
    assert [order.moves_calls for order in worker.orders if isinstance(order, Drain)] == [False]


async def test_a_process_that_dies_while_it_drains_is_not_taken_for_drained(nats_url: str, bus: Bus) -> None:
    async with peer(nats_url):
        drainage = Drainage(bus, (await lookout.look_around(bus)).find("worker-aa"))
        await drainage.order(moves_calls=False)
    assert await drainage.follow(lambda calls: None) is False


async def test_a_process_that_takes_no_orders_is_said_what_to_do_with(bus: Bus) -> None:
    deaf = Member(_beat("worker-zz"))
    with pytest.raises(TrunklineError, match=r"worker-zz does not take the order.*SIGTERM"):
        await Drainage(bus, deaf).order(moves_calls=False)


def _beat(process_id: str) -> Heartbeat:
    return Heartbeat(kind="realtime_worker", process_id=process_id, calls=0, capacity=1)


async def test_drain_tells_an_edge_to_move_its_calls(nats_url: str, tmp_path: Path) -> None:
    async with peer(nats_url, "edge", "edge-cc") as edge:
        code, command = await run(nats_url, tmp_path, "drain", "edge-c", "--move", "--no-wait", "--json")
    assert code == 0, command.errors
    assert command.events == [{"event": "draining", "process_id": "edge-cc", "name": "", "calls": 2}]
    assert edge.orders == [Drain(moves_calls=True)]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("drain", "worker", "--move"), 2, "error: --move is for edges"),
        (("drain", "orch"), 1, "error: orchestrator-dd carries no calls: end it with SIGTERM"),
        (("drain", "edge"), 1, "error: there is no process 'edge': `trunkline ps` lists"),
        (("handover", "CA"), 1, "error: there is no live call 'CA': `trunkline calls` lists"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_to_do(
    nats_url: str, tmp_path: Path, arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    await entered(nats_url)
    async with peer(nats_url) as worker, peer(nats_url, "orchestrator", "orchestrator-dd") as orchestrator:
        exit_code, command = await run(nats_url, tmp_path, *arguments, "--json")
    assert exit_code == code
    assert command.errors.startswith(complaint)
    assert worker.orders == orchestrator.orders == []


@contextlib.asynccontextmanager
async def edge_with_the_call(nats_url: str, then: Callable[[Bus], "asyncio.Task[bool]"]) -> AsyncIterator[list[str]]:
    """An edge that answers `HandOver` for the call, after which `then` happens."""
    asked: list[str] = []
    later: list[asyncio.Task[bool]] = []
    async with reach.connected(nats_url) as bus:

        def on_question(message: Msg) -> bytes | None:
            question = decode_as(EdgesCommand, message.data)
            asked.append(question.call_id)
            if question.call_id != CALL_ID:
                return None
            later.append(then(bus))
            return HandingOver(edge_id="edge-cc", epoch=3, talker_id="worker-aa").encode()

        await bus.subscribe(subjects.ALL_EDGES, on_question)
        await bus._client.flush()
        yield asked
        await asyncio.gather(*later)


def changes_talker(bus: Bus) -> "asyncio.Task[bool]":
    fact = EpochChanged(
        call_id=CALL_ID,
        epoch=4,
        talker_id="worker-bb",
        reason=HandoverReason.OPERATOR,
        realtime_session_id="sess",
        ready_after_ms=230,
    )
    return asyncio.create_task(bus.publish(subjects.fact(CALL_ID), fact.encode()))


def ends(bus: Bus) -> "asyncio.Task[bool]":
    fact = CallEnded(call_id=CALL_ID, reason=EndReason.CALLER_HANGUP, duration_ms=9_000)
    return asyncio.create_task(bus.publish(subjects.fact(CALL_ID), fact.encode()))


async def test_handover_finds_the_call_by_its_beginning_and_waits_for_the_new_talker(
    nats_url: str, tmp_path: Path
) -> None:
    await entered(nats_url, (CALL_ID, live()))
    async with edge_with_the_call(nats_url, changes_talker) as asked:
        code, command = await run(nats_url, tmp_path, "handover", "CA77", "--json")
    assert code == 0, command.errors
    assert asked == [CALL_ID]
    assert command.events == [
        {"event": "handing_over", "edge_id": "edge-cc", "epoch": 3, "talker_id": "worker-aa"},
        {"event": "handed_over", "epoch": 4, "talker_id": "worker-bb", "ms": 230},
    ]


async def test_a_call_that_ends_first_was_not_handed_over(nats_url: str, bus: Bus) -> None:
    async with edge_with_the_call(nats_url, ends):
        replacement = Replacement(bus, CALL_ID)
        taken = await replacement.ask()
        with pytest.raises(TrunklineError, match="ended before"):
            await replacement.wait(taken)


async def test_a_call_nobody_carries_is_said_so(nats_url: str, bus: Bus) -> None:
    async with edge_with_the_call(nats_url, ends):
        with pytest.raises(TrunklineError, match="no edge carries the call CAother"):
            await Replacement(bus, "CAother").ask()


async def test_without_any_edge_there_is_nobody_to_ask(bus: Bus) -> None:
    with pytest.raises(TrunklineError, match="no edge is there to ask"):
        await Replacement(bus, CALL_ID).ask()


async def test_without_the_registry_handover_asks_the_edges_for_what_was_typed(nats_url: str, tmp_path: Path) -> None:
    async with edge_with_the_call(nats_url, changes_talker) as asked:
        code, command = await run(nats_url, tmp_path, "handover", CALL_ID, "--no-wait", "--json")
    assert code == 0, command.errors
    assert asked == [CALL_ID]
    assert "Asking the edges" in command.errors
