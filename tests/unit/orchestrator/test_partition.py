"""A partition given away: what was not followed stays behind its cursor, for whoever has it next."""

import asyncio
from collections.abc import Callable

import pytest

from fakes.waiting import until
from orchestrator.partition import Partition
from orchestrator.session import CallSession
from unit.orchestrator.following import said, started
from unit.orchestrator.test_session import Graph, made


class Stuck(Graph):
    """Never comes to an end."""

    async def ainvoke(self, *arguments: object, **options: object) -> object:
        self.runs += 1
        return await asyncio.Event().wait()


def partition(graph: Graph) -> Partition:
    def new_session(call_id: str, done: Callable[[int], None]) -> CallSession:
        session, _, _ = made(graph)
        session.call_id, session._done = call_id, done
        return session

    return Partition(0, 4, new_session, lambda call_id, is_over: None)


async def test_what_was_still_to_be_followed_when_it_is_given_away_is_the_next_replicas() -> None:
    graph = Stuck()
    given = partition(graph)
    given.take(5, started())
    given.take(6, said(1, "My invoice."))
    await until(lambda: graph.runs)
    await given.close()
    assert given.progress.cursor == 4


@pytest.mark.parametrize("failures", [0, 9])
async def test_what_was_followed_or_cannot_be_does_not_hold_the_cursor(failures: int) -> None:
    given = partition(Graph(*(KeyError("a bug") for _ in range(failures))))
    given.take(5, started())
    given.take(6, said(1, "My invoice."))
    await until(lambda: given.progress.cursor == 6)
    await given.close()
