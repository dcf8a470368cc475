"""Calls followed over a real bus, stream, database and chat endpoint; also when replicas come and go."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from common.agents import FRONT
from common.messages.commands import EndReason
from common.messages.facts import AgentChanged, AnyFact, CallEnded, RuleBroken, UsageReported
from common.messages.instructions import Instructions
from fakes.waiting import until
from integration.orchestrator.steering import SCRIPT, Listener, listener, make_tables, replica, sqlite
from integration.realtime_worker.openai_process import Simulator, begun_anew, simulating
from orchestrator.core.partitions import PARTITIONS
from orchestrator.stores.database import Database
from orchestrator.stores.following import FollowingStore
from unit.orchestrator.following import answered, said, started


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulating(SCRIPT, tmp_path_factory.mktemp("openai")) as openai:
        yield openai


@pytest.fixture
async def openai(simulator: Simulator) -> AsyncIterator[Simulator]:
    async with begun_anew(simulator) as openai:
        yield openai


@pytest.fixture
async def heard(nats_url: str) -> AsyncIterator[Listener]:
    async with listener(nats_url) as made:
        yield made


@pytest.fixture
async def database_url(tmp_path: Path) -> str:
    await make_tables(url := sqlite(tmp_path))
    return url


def of(call_id: str, *facts: AnyFact) -> list[AnyFact]:
    """The same facts, of another call."""
    return [each.model_copy(update={"call_id": call_id, "fact_id": f"{call_id}-{each.fact_id}"}) for each in facts]


async def begins(heard: Listener, call_id: str) -> Instructions:
    """The call begins, and its first agent is told what to do."""
    heard.write(*of(call_id, started()))
    return await heard.told(call_id, FRONT)


async def asks_for_billing(heard: Listener, call_id: str) -> None:
    """The caller says what billing is for, and is given to it."""
    heard.write(*of(call_id, said(1, "My invoice.")))
    await heard.told(call_id, "billing")


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"trunkline_{name}_total", labels) or 0.0


async def followed_by(*services: object) -> None:
    """Wait until the partitions of calls are taken."""
    await until(lambda: (REGISTRY.get_sample_value("trunkline_partitions_followed") or 0) >= 1)


async def test_a_billing_question_gives_the_caller_to_the_billing_agent(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    async with replica(nats_url, database_url, openai.base_url):
        first = await begins(heard, "CA1")
        assert [each.name for each in first.tools] == ["list_tasks"]
        heard.write(*of("CA1", answered(1, "Hello."), said(2, "My invoice is wrong.")))
        second = await heard.told("CA1", "billing")
        assert (first.revision, second.revision) == (1, 2)
        assert second.answers == "CA1-fact-c2"
        assert second.instructions.startswith(first.instructions)
        await until(lambda: any(isinstance(each, AgentChanged) for each in heard.facts))
        usage = next(each for each in heard.facts if isinstance(each, UsageReported))
        assert usage.input_text_tokens > 0
    asked = [each for each in await openai.sim("GET", "requests") if each["endpoint"] == "chat"]
    assert len(asked) == 1


@pytest.mark.parametrize(("words", "result"), [("Give me the president.", "ok"), ("Answer in prose.", "malformed")])
async def test_a_router_that_names_nobody_or_chats_changes_nothing(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str, words: str, result: str
) -> None:
    before = counted("routings", result=result)
    async with replica(nats_url, database_url, openai.base_url):
        heard.write(*of("CA1", started(), said(1, words)))
        await until(lambda: counted("routings", result=result) > before)
        heard.write(*of("CA1", said(2, "My invoice.")))
        await heard.told("CA1", "billing")
        assert [each.agent for each in heard.of("CA1")] == [FRONT, "billing"]


async def test_when_the_router_is_away_calls_are_followed_and_steered_by_rules(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    await openai.sim("POST", "faults", {"kind": "http_status", "status": 503})
    before = counted("routings", result="unavailable")
    async with replica(nats_url, database_url, openai.base_url):
        heard.write(*of("CA1", started(), said(1, "My invoice is wrong.")))
        await until(lambda: counted("routings", result="unavailable") > before)
        await openai.sim("DELETE", "faults")
        heard.write(*of("CA1", said(2, "My invoice, I said.")))
        assert (await heard.told("CA1", "billing")).answers == "CA1-fact-c2"


async def test_a_router_that_never_answers_one_call_delays_no_other(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    await openai.sim("POST", "faults", {"kind": "http_black_hole", "times": 1})
    before = counted("routings", result="deadline")
    async with replica(nats_url, database_url, openai.base_url):
        heard.write(*of("CA-slow", started(), said(1, "My invoice.")))
        async with asyncio.timeout(20):
            while not await openai.sim("GET", "requests"):
                await asyncio.sleep(0.01)
        for number in range(10):
            heard.write(*of(f"CA{number}", started(), said(1, "My invoice.")))
        for number in range(10):
            await heard.told(f"CA{number}", "billing")
        assert counted("routings", result="deadline") == before
        await until(lambda: counted("routings", result="deadline") > before)
        heard.write(*of("CA-slow", said(2, "My invoice?")))
        await heard.told("CA-slow", "billing")


async def test_a_broken_rule_is_corrected_at_once(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    async with replica(nats_url, database_url, openai.base_url):
        heard.write(*of("CA1", started(), said(1, "My invoice.")))
        await heard.told("CA1", "billing")
        heard.write(*of("CA1", answered(2, "The refund is guaranteed.")))
        await until(lambda: any(each.urgency == "at_once" for each in heard.of("CA1")))
        await until(lambda: any(isinstance(each, RuleBroken) for each in heard.facts))
        fact = next(each for each in heard.facts if isinstance(each, RuleBroken))
        assert (fact.rule, fact.answers) == ("forbidden:0", "CA1-fact-a2")


async def test_after_a_restart_it_goes_on_where_it_was_and_says_nothing_twice(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    async with replica(nats_url, database_url, openai.base_url):
        await begins(heard, "CA1")
        await asks_for_billing(heard, "CA1")
    heard.write(*of("CA1", answered(2, "Which one?"), said(3, "Something else, then.")))
    async with replica(nats_url, database_url, openai.base_url, "orchestrator-2"):
        await until(lambda: len(heard.of("CA1")) == 3)
    assert [(each.revision, each.agent) for each in heard.of("CA1")] == [(1, FRONT), (2, "billing"), (3, FRONT)]
    assert heard.of("CA1")[-1].answers == "CA1-fact-c3"


async def test_two_replicas_share_the_calls_and_one_that_leaves_gives_its_own_away(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    calls = [f"CA{number}" for number in range(24)]
    async with replica(nats_url, database_url, openai.base_url, "orchestrator-1"):
        async with replica(nats_url, database_url, openai.base_url, "orchestrator-2"):
            for call in calls:
                heard.write(*of(call, started()))
            for call in calls:
                await heard.told(call, FRONT)
        for call in calls:
            heard.write(*of(call, said(1, "My invoice.")))
        for call in calls:
            await heard.told(call, "billing")
    for call in calls:
        assert [each.revision for each in heard.of(call)] == [1, 2], "none lost, none doubled"


async def test_a_call_under_way_when_the_first_replica_comes_is_taken_up_with_its_past(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    heard.write(*of("CA1", started(), answered(1, "Hello."), said(2, "Hello?")))
    await until(lambda: heard.writer.pending == 0)
    async with replica(nats_url, database_url, openai.base_url):
        await followed_by()
        heard.write(*of("CA1", said(3, "My invoice.")))
        revision = await heard.told("CA1", "billing")
        assert revision.answers == "CA1-fact-c3"


async def test_a_revision_nobody_applied_is_said_again(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    heard.applies = False
    said_so_far: list[bytes] = []
    await heard.client.subscribe("trunk.v1.instructions.CA1", cb=_collect(said_so_far))
    await heard.client.flush()
    async with replica(nats_url, database_url, openai.base_url):
        heard.write(*of("CA1", started()))
        await until(lambda: len(said_so_far) >= 2)
        heard.applies = True
        await until(lambda: len(said_so_far) >= 3)
        heard.write(*of("CA1", said(1, "Thank you.")))
    assert len(set(said_so_far)) == 1
    assert len(heard.of("CA1")) == 1


def _collect(into: list[bytes]):  # type: ignore[no-untyped-def]
    async def take(message) -> None:  # type: ignore[no-untyped-def]
        into.append(message.data)

    return take


async def test_an_ended_call_is_let_go_and_what_is_malformed_is_counted(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    before = counted("bus_rejects", kind="malformed")
    async with replica(nats_url, database_url, openai.base_url):
        await begins(heard, "CA1")
        await heard.bus.jetstream.publish("trunk.v1.fact.CA1", b'{"type": "caller_said"')
        await heard.bus.jetstream.publish("trunk.v1.fact.CA1", of("CA2", started())[0].encode())
        heard.write(*of("CA1", CallEnded(call_id="CA1", reason=EndReason.CALLER_HANGUP, duration_ms=9_000)))
        await until(lambda: REGISTRY.get_sample_value("trunkline_calls_followed") == 0)
        assert counted("bus_rejects", kind="malformed") >= before + 2
        await begins(heard, "CA3")


async def test_a_revision_in_the_stream_that_cannot_be_read_holds_no_call(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    async with replica(nats_url, database_url, openai.base_url):
        await begins(heard, "CA1")
    before = counted("bus_rejects", kind="malformed")
    await heard.bus.jetstream.publish("trunk.v1.instructions.CA1", b'{"revision":')
    async with replica(nats_url, database_url, openai.base_url, "orchestrator-2"):
        await asks_for_billing(heard, "CA1")
    assert counted("bus_rejects", kind="malformed") > before


async def test_a_stream_that_was_made_anew_is_followed_though_the_cursor_is_beyond_its_end(
    nats_url: str, openai: Simulator, heard: Listener, database_url: str
) -> None:
    database = Database(database_url)
    await FollowingStore(database).advance(dict.fromkeys(range(PARTITIONS), 50_000))
    await database.close()
    async with replica(nats_url, database_url, openai.base_url):
        await begins(heard, "CA1")
        await asks_for_billing(heard, "CA1")
