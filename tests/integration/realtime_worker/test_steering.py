"""Instructions that change while a call runs, over a real bus, in force in a real session."""

import asyncio
from typing import Any

from common.audio import Kind
from common.conversation import Turn
from common.messages.commands import CutOver
from common.messages.facts import InstructionsApplied
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from integration.realtime_worker.edge_stand_in import PROFILE, Leg, until
from integration.realtime_worker.stage import Stage, Stages, metric
from integration.realtime_worker.steering import LIST_TASKS, asks, publish, responses, revision
from simulators.people.recordings import load

SLOW = load("caller-4")
"""The simulated model takes a while to answer it."""
GREETED = Turn(speaker="agent", item_id="item_a", text="Hello, how can I help?", start_ms=0, end_ms=2_000)
ASKED = Turn(speaker="caller", item_id="item_b", text="When do you open?", start_ms=2_500, end_ms=4_000)


async def greeted(on: Stage) -> Leg:
    leg, _ = await on.edge.offer()
    await until(lambda: leg.of(Kind.ITEM_END))
    await responses(on, 1)
    return leg


async def applied(on: Stage, leg: Leg, number: int) -> InstructionsApplied:
    """The fact, once it is told."""

    def told() -> list[InstructionsApplied]:
        return [fact for fact in on.edge.facts_of(leg, InstructionsApplied) if fact.revision == number]

    await until(told)
    return told()[0]


async def steered(on: Stage) -> list[list[str]]:
    """What the session was updated with, but for how it was configured at first; checks change nothing."""
    return [update["fields"] for update in (await on.session())["updates"][1:] if update["fields"]]


def counted(result: str) -> float:
    return metric("trunkline_instruction_revisions_total", result=result)


async def answering(on: Stage, leg: Leg) -> None:
    """The agent is in the middle of a long answer."""
    await asks(on, leg, SLOW.pcmu)
    await until(lambda: len(leg.items) == 2)


async def test_in_a_lull_a_revision_is_in_force_at_once_and_what_stays_is_not_sent_again(stage: Stages) -> None:
    before = counted("applied"), counted("unchanged")
    async with stage() as on:
        leg = await greeted(on)
        await publish(on, leg, revision(leg, 1, tools=(LIST_TASKS,), agent="night"))
        fact = await applied(on, leg, 1)
        assert (fact.agent, fact.epoch) == ("night", 1)
        await publish(on, leg, revision(leg, 2, tools=(LIST_TASKS,)))
        await applied(on, leg, 2)
        await publish(on, leg, revision(leg, 3, "You are the day desk.", tools=(LIST_TASKS,)))
        await applied(on, leg, 3)
        assert await steered(on) == [["instructions", "tools"], ["instructions"]]
        session = await on.session()
        assert session["configuration"]["instructions"] == "You are the day desk."
        assert [tool["name"] for tool in session["configuration"]["tools"]] == ["list_tasks"]
        assert session["refused"] == []
        assert (counted("applied"), counted("unchanged")) == (before[0] + 2, before[1] + 1)


async def test_a_revision_in_the_middle_of_an_answer_is_in_force_before_the_next(stage: Stages) -> None:
    async with stage() as on:
        leg = await greeted(on)
        await answering(on, leg)
        await publish(on, leg, revision(leg, 1, "Superseded before its time."))
        await publish(on, leg, revision(leg, 2))
        await asyncio.sleep(0.1)
        assert await steered(on) == []
        assert on.edge.facts_of(leg, InstructionsApplied) == []
        await applied(on, leg, 2)
        answer = (await responses(on, 2))[1]
        update = (await on.session())["updates"][-1]
        assert update["fields"] == ["instructions"]
        assert update["at_monotonic_s"] >= answer["ended_monotonic_s"]
        assert answer["instructions"] == PROFILE.instructions
        await on.edge.be_silent(leg, 8_000, pace=100)
        await asks(on, leg)
        assert (await responses(on, 3))[2]["instructions"] == "You are the night desk."
        assert [fact.revision for fact in on.edge.facts_of(leg, InstructionsApplied)] == [2]


async def test_an_urgent_revision_does_not_wait(stage: Stages) -> None:
    async with stage() as on:
        leg = await greeted(on)
        await answering(on, leg)
        await publish(on, leg, revision(leg, 1, urgency="at_once", asks_for_answer=True))
        await applied(on, leg, 1)
        assert (await on.session())["responses"][1]["status"] == "in_progress"
        (first, answer, corrected) = await responses(on, 3)
        assert first["instructions"] != PROFILE.instructions  # the greeting, word for word
        assert (answer["instructions"], answer["status"]) == (PROFILE.instructions, "completed")
        assert corrected["instructions"] == "You are the night desk."
        assert corrected["started_monotonic_s"] >= answer["ended_monotonic_s"]
        assert (await on.session())["refused"] == []


async def test_what_is_old_or_makes_no_sense_is_refused_and_counted(stage: Stages) -> None:
    before = {result: counted(result) for result in ("stale", "repeated", "malformed")}
    async with stage() as on:
        leg = await greeted(on)
        await publish(on, leg, revision(leg, 5))
        await applied(on, leg, 5)
        await publish(on, leg, revision(leg, 4, "Older."))
        await publish(on, leg, revision(leg, 5, "The same number."))
        await publish(on, leg, Instructions(call_id="another-call", revision=9, instructions="Not ours."))
        await publish(on, leg, b'{"call_id": 7}')
        expected = {"stale": 1, "repeated": 1, "malformed": 2}
        await until(lambda: {result: counted(result) - number for result, number in before.items()} == expected)
        assert await steered(on) == [["instructions"]]
        assert [fact.revision for fact in on.edge.facts_of(leg, InstructionsApplied)] == [5]


async def handed_over(on: Stage, known: int, heard: int) -> tuple[Leg, dict[str, Any]]:
    """A call comes to this worker: its edge knows one revision, the worker hears of another before the cut."""
    leg, _ = await on.edge.offer(reason=HandoverReason.DRAIN, epoch=4, clock_ms=5_000, is_granted=False, may_wait=True)
    await on.edge.ready(leg)
    if heard:
        await publish(on, leg, revision(leg, heard, f"Revision {heard}.", tools=(LIST_TASKS,)))
    told = revision(leg, known, f"Revision {known}.", tools=(LIST_TASKS,)) if known else None
    await on.edge.cut_over(leg, CutOver(is_granted=True, conversation=(GREETED, ASKED), instructions=told))
    await responses(on, 1)
    return leg, await on.session()


async def test_the_next_talker_begins_with_the_newest_wherever_it_comes_from(stage: Stages) -> None:
    for known, heard in ((3, 0), (0, 3), (3, 2), (2, 3)):
        async with stage() as on:
            leg, session = await handed_over(on, known, heard)
            assert session["responses"][0]["instructions"] == "Revision 3."
            assert [tool["name"] for tool in session["configuration"]["tools"]] == ["list_tasks"]
            fact = await applied(on, leg, 3)
            assert (fact.epoch, len(on.edge.facts_of(leg, InstructionsApplied))) == (4, 1)
            await on.edge.release(leg)
        await on.openai.forget()
