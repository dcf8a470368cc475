"""The fault matrix: every fault in one table, with how it is made and what it must not cost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from chaos.stack import Stack, Tier
from common import subjects
from fakes.proxy import UP

Strike = Callable[[Stack], Awaitable[None]]
Statistic = Literal["p50", "p99", "max"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A speed the fault is held against: shown with the verdict, never asserted, since machines differ."""

    column: str
    statistic: Statistic
    at_most_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row. The marks of correctness hold for all (`targets`): nothing lost, doubled, forgotten or leaked."""

    name: str
    what: str
    strike: Strike
    alone: Tier | None = None
    """The tier of which one member carries all calls when it is hurt; the others join once the calls are placed."""
    link: Tier | None = None
    """The tier whose first member reaches the bus through proxies, to be broken."""
    of_capacity: float | None = None
    """The calls are this share of what all workers together can carry."""
    talk_s: float = 34.0
    is_timed: bool = True
    """Its effects begin when it strikes; not so where calls are moved one after another."""
    marks: tuple[Mark, ...] = ()
    moves_talkers: bool = True
    """False: no call has a reason to get another talker; one that does is a false takeover, and shown."""
    edges_move_calls: bool = False
    caller_steps: tuple[Any, ...] = ()
    """What each caller does besides talking."""


# --- how it is made ---------------------------------------------------------------------------------------------------


async def _nothing(stack: Stack) -> None:
    """Time passes."""


async def _kill_worker(stack: Stack) -> None:
    stack.workers[0].kill()


async def _freeze_worker(for_s: float, stack: Stack) -> None:
    """SIGSTOP and SIGCONT. A blocked event loop looks the same from outside: sockets stay, nothing is read or written.

    (Inside it differs: after a block the loop's timers are late by as much, after a stop too, by CLOCK_MONOTONIC.)
    """
    stack.workers[0].freeze()
    await asyncio.sleep(for_s)
    stack.workers[0].thaw()


async def _kill_edge(stack: Stack) -> None:
    stack.edges[0].kill()


async def _kill_node(stack: Stack) -> None:
    (await stack.busiest_node()).kill()


async def _kill_leader(stack: Stack) -> None:
    (await stack.cluster.leader_of(f"KV_{subjects.CALLS_BUCKET}")).kill()


async def _freeze_node(for_s: float, stack: Stack) -> None:
    node = await stack.busiest_node()
    node.freeze()
    await asyncio.sleep(for_s)
    node.thaw()


async def _lame_duck(stack: Stack) -> None:
    (await stack.busiest_node()).lame_duck()


async def _all_nodes_down(for_s: float, stack: Stack) -> None:
    await stack.cluster.all_down(for_s)


async def _cut(for_s: float, stack: Stack) -> None:
    """Connections are reset, new ones refused."""
    await asyncio.gather(*(proxy.cut() for proxy in stack.proxies))
    await asyncio.sleep(for_s)
    await asyncio.gather(*(proxy.mend() for proxy in stack.proxies))


async def _hole(for_s: float, directions: tuple[str, ...], stack: Stack) -> None:
    """Connections stay, and nothing comes through."""
    for proxy in stack.proxies:
        proxy.hole(*directions)
    await asyncio.sleep(for_s)
    await asyncio.gather(*(proxy.mend() for proxy in stack.proxies))


async def _slow(stack: Stack) -> None:
    """To the end of the round; 256 kB/s each way."""
    for proxy in stack.proxies:
        proxy.slow(0.1, 0.05, 256_000)


async def _upstream(fault: Mapping[str, Any], stack: Stack) -> None:
    """The sessions that carry calls now meet the fault; those opened ahead of need and new ones do not."""
    sessions = await stack.openai("GET", "sessions?recognise=0")
    running = [each for each in sessions if each["closed_monotonic_s"] is None]
    carrying = [each["number"] for each in running if each["caller_audio"]["count"]]
    await stack.openai("POST", "faults", {"target": {"sessions": "running", "numbers": carrying}, **fault})


async def _garbage(stack: Stack) -> None:
    for what in ("unknown_type", "missing_fields", "invalid_json", "binary"):
        await _upstream({"kind": "garbage_event", "what": what}, stack)
        await asyncio.sleep(0.5)


async def _roll_workers(stack: Stack) -> None:
    for worker in tuple(stack.workers):
        await stack.replace("worker", worker)


async def _roll_edges(stack: Stack) -> None:
    for edge in tuple(stack.edges):
        await stack.replace("edge", edge)


async def _roll_nodes(stack: Stack) -> None:
    """One after the other: lame duck, wait for its end, start, wait until the cluster is whole again."""
    for node in stack.cluster.nodes:
        node.lame_duck()
        while node.pid is not None:
            await asyncio.sleep(0.05)
        await stack.cluster.start()


def _side_socket(**settings: str) -> tuple[Any, ...]:
    return ({"side_socket": {"call_sid": "same", "for_ms": 3_000, **settings}},)


# --- the table --------------------------------------------------------------------------------------------------------

_FIRST_SOUND: Final = Mark("gap_ms", "p99", 350)
_CRASH: Final = (
    Mark("asked_ms", "p99", 50),
    Mark("ready_ms", "p99", 300),
    _FIRST_SOUND,
    Mark("speaking_ms", "p99", 1_300),
)
_HANG: Final = (Mark("notice_ms", "p99", 500), _FIRST_SOUND)
_UPSTREAM: Final = (Mark("speaking_ms", "p99", 3_000),)

FAULTS: Final = (
    Fault(
        name="worker_kill",
        what="worker kill -9, it carries all calls",
        strike=_kill_worker,
        alone="worker",
        marks=_CRASH,
    ),
    Fault(
        name="worker_freeze",
        what="worker SIGSTOP for 5 s, then SIGCONT",
        strike=partial(_freeze_worker, 5.0),
        alone="worker",
        marks=_HANG,
    ),
    Fault(
        name="loop_block_0.3",
        what="worker's loop blocked for 0.3 s",
        strike=partial(_freeze_worker, 0.3),
        alone="worker",
        moves_talkers=False,
        marks=(Mark("gap_ms", "p99", 350),),
    ),
    Fault(
        name="loop_block_1",
        what="worker's loop blocked for 1 s",
        strike=partial(_freeze_worker, 1.0),
        alone="worker",
        marks=_HANG,
    ),
    Fault(
        name="loop_block_3",
        what="worker's loop blocked for 3 s",
        strike=partial(_freeze_worker, 3.0),
        alone="worker",
        marks=_HANG,
    ),
    Fault(
        name="edge_kill",
        what="edge kill -9, it carries all calls",
        strike=_kill_edge,
        alone="edge",
        moves_talkers=False,
        marks=(Mark("reattached_ms", "p99", 2_000),),
    ),
    Fault(
        name="nats_node_kill",
        what="the NATS node with most clients kill -9",
        strike=_kill_node,
        moves_talkers=False,
        marks=(Mark("gap_ms", "p99", 1_500),),
    ),
    Fault(
        name="nats_leader_kill",
        what="the NATS node that takes the registry's writes kill -9",
        strike=_kill_leader,
        moves_talkers=False,
        marks=(Mark("gap_ms", "p99", 1_500),),
    ),
    Fault(
        name="nats_node_freeze",
        what="the NATS node with most clients SIGSTOP for 10 s",
        strike=partial(_freeze_node, 10.0),
        moves_talkers=False,
        talk_s=40.0,
        marks=(Mark("gap_ms", "p99", 3_000),),
    ),
    Fault(
        name="nats_lame_duck",
        what="the NATS node with most clients is asked to leave",
        strike=_lame_duck,
        moves_talkers=False,
        marks=(Mark("gap_ms", "p99", 300),),
    ),
    Fault(
        name="nats_all_down",
        what="all NATS nodes kill -9, back after 10 s",
        strike=partial(_all_nodes_down, 10.0),
        moves_talkers=False,
        talk_s=50.0,
        marks=(_FIRST_SOUND,),
    ),
    Fault(
        name="worker_link_cut",
        what="worker's connections to NATS reset, refused for 5 s",
        strike=partial(_cut, 5.0),
        link="worker",
        alone="worker",
        marks=(_FIRST_SOUND,),
    ),
    Fault(
        name="worker_link_half_open",
        what="worker's connections to NATS carry nothing for 5 s",
        strike=partial(_hole, 5.0, ()),
        link="worker",
        alone="worker",
        marks=_HANG,
    ),
    Fault(
        name="worker_link_one_way",
        what="nothing from the worker reaches NATS for 5 s",
        strike=partial(_hole, 5.0, (UP,)),
        link="worker",
        alone="worker",
        marks=_HANG,
    ),
    Fault(
        name="edge_link_cut",
        what="edge's connections to NATS reset, refused for 5 s",
        strike=partial(_cut, 5.0),
        link="edge",
        alone="edge",
        marks=(_FIRST_SOUND,),
        moves_talkers=False,
    ),
    Fault(
        name="edge_link_half_open",
        what="edge's connections to NATS carry nothing for 5 s",
        strike=partial(_hole, 5.0, ()),
        link="edge",
        alone="edge",
        marks=(_FIRST_SOUND,),
        moves_talkers=False,
    ),
    Fault(
        name="slow_network",
        what="one worker's line to NATS: 100 ± 50 ms each way, 256 kB/s",
        strike=_slow,
        link="worker",
        moves_talkers=False,
    ),
    Fault(
        name="openai_1001",
        what="OpenAI closes every session that carries a call with 1001",
        strike=partial(_upstream, {"kind": "close", "code": 1001, "reason": "Your session hit the maximum duration."}),
        marks=_UPSTREAM,
    ),
    Fault(
        name="openai_1006",
        what="OpenAI cuts every session that carries a call",
        strike=partial(_upstream, {"kind": "close", "code": 1006}),
        marks=_UPSTREAM,
    ),
    Fault(
        name="openai_1011",
        what="OpenAI closes every session that carries a call with 1011",
        strike=partial(_upstream, {"kind": "close", "code": 1011, "reason": "internal error"}),
        marks=_UPSTREAM,
    ),
    Fault(
        name="openai_black_hole",
        what="OpenAI answers nothing any more in any session that carries a call",
        strike=partial(_upstream, {"kind": "black_hole"}),
        is_timed=False,
        talk_s=40.0,
    ),
    Fault(
        name="openai_failed_responses",
        what="every response of the sessions that carry calls fails, sockets stay healthy",
        strike=partial(_upstream, {"kind": "failed_response"}),
        is_timed=False,
        talk_s=40.0,
    ),
    Fault(
        name="openai_garbage",
        what="OpenAI sends unknown, incomplete, broken and binary events to the sessions of all calls",
        strike=_garbage,
        moves_talkers=False,
    ),
    Fault(
        name="rolling_workers",
        what="every worker replaced in turn (SIGTERM) at 70 % of capacity",
        strike=_roll_workers,
        of_capacity=0.7,
        talk_s=90.0,
        is_timed=False,
        marks=(Mark("gap_ms", "max", 300),),
    ),
    Fault(
        name="rolling_edges",
        what="every edge replaced in turn (SIGTERM, moving its calls) at 70 % of capacity",
        strike=_roll_edges,
        of_capacity=0.7,
        talk_s=90.0,
        is_timed=False,
        moves_talkers=False,
        edges_move_calls=True,
        marks=(Mark("reattached_ms", "p99", 2_000),),
    ),
    Fault(
        name="rolling_nats",
        what="every NATS node replaced in turn (lame duck) at 70 % of capacity",
        strike=_roll_nodes,
        of_capacity=0.7,
        talk_s=60.0,
        is_timed=False,
        moves_talkers=False,
        marks=(Mark("gap_ms", "max", 300),),
    ),
    Fault(
        name="second_stream",
        what="a second stream for every call, with the parameters of the running one",
        strike=_nothing,
        is_timed=False,
        moves_talkers=False,
        caller_steps=_side_socket(token="same"),
    ),
    Fault(
        name="second_stream_fresh",
        what="a second stream for every call, with a fresh token of the webhook's",
        strike=_nothing,
        is_timed=False,
        moves_talkers=False,
        caller_steps=_side_socket(token="fresh"),
    ),
    Fault(
        name="soak",
        what="no fault, 80 % of capacity",
        strike=_nothing,
        of_capacity=0.8,
        talk_s=60.0,
        is_timed=False,
        moves_talkers=False,
    ),
)

BY_NAME: Final[Mapping[str, Fault]] = {fault.name: fault for fault in FAULTS}
