"""One followed call when something fails: what is away is waited for, a mistake of ours holds nobody else."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from common import backoff
from common.agents import ToolGrant
from common.ending import end_tasks
from common.errors import StorageUnavailable
from common.messages.facts import AnyFact
from common.messages.instructions import Instructions
from fakes.waiting import until
from orchestrator.session import Around, CallSession
from unit.orchestrator.following import said, started
from unit.orchestrator.test_graph import Steered


class Graph:
    """The real graph, which fails as told before it runs."""

    def __init__(self, *failures: Exception) -> None:
        self.graph = Steered("billing", "billing").graph
        self.failures = list(failures)
        self.runs = 0

    async def aget_state(self, config: Any) -> Any:
        return await self.graph.aget_state(config)

    async def ainvoke(self, *arguments: Any, **options: Any) -> Any:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        return await self.graph.ainvoke(*arguments, **options)


class Published:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.revisions: list[Instructions] = []

    async def publish(self, revision: Instructions) -> None:
        self.revisions.append(revision)

    async def repeat(self, revision: Instructions) -> None:
        raise AssertionError("nothing is repeated so soon")

    async def newest(self, call_id: str) -> int:
        return 0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "delays", lambda *_: iter([0.0] * 50))


def made(graph: Graph, past: list[AnyFact] | None = None) -> tuple[CallSession, Published, list[int]]:
    done: list[int] = []
    published: Any = Published()

    async def history(call_id: str) -> list[AnyFact]:
        return past or []

    def grants(profile: str, names: tuple[str, ...]) -> tuple[ToolGrant, ...]:
        return tuple(ToolGrant(name=name, description="A tool.") for name in names)

    given: Any = graph
    around = Around(given, published, lambda fact: None, history, grants)
    return CallSession("CA1", around, done.append), published, done


async def test_a_database_that_is_away_is_waited_for_and_the_facts_come_afterwards_in_one_run() -> None:
    graph = Graph(*(StorageUnavailable("away") for _ in range(7)))
    session, published, done = made(graph)
    running = asyncio.create_task(session.run())
    session.feed(1, started())
    session.feed(2, said(1, "My invoice."))
    await until(lambda: done == [1, 2])
    assert [each.agent for each in published.revisions] == ["billing"]
    assert graph.runs == 8
    await end_tasks([running])


async def test_a_mistake_of_ours_gives_the_call_up_after_a_few_tries_and_holds_nobody_else() -> None:
    before = REGISTRY.get_sample_value("trunkline_graph_failures_total", {"result": "bug"}) or 0
    session, published, done = made(Graph(*(KeyError("a bug") for _ in range(9))))
    running = asyncio.create_task(session.run())
    session.feed(1, started())
    with pytest.raises(KeyError):
        await running
    session.feed(2, said(1, "Hello?"))
    session.abandon()
    assert done == [1, 2], "the cursor can go on"
    assert published.revisions == []
    assert (REGISTRY.get_sample_value("trunkline_graph_failures_total", {"result": "bug"}) or 0) - before == 3


async def test_a_call_under_way_is_taken_up_with_its_past_which_is_not_followed_twice() -> None:
    past: list[AnyFact] = [started(), said(1, "My invoice.")]
    session, published, done = made(Graph(), past)
    running = asyncio.create_task(session.run())
    for sequence, fact in enumerate(past, 7):
        session.feed(sequence, fact)
    await until(lambda: done == [7, 8])
    assert [(each.revision, each.agent) for each in published.revisions] == [(1, "billing")]
    await end_tasks([running])
