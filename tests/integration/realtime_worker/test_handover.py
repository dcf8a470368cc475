"""A running call comes to this worker: told, its caller's last words replayed, the waiting caller answered once."""

import asyncio
from typing import Any

import pytest

from common.audio import Kind
from common.conversation import AnyTurn, ToolTurn, Turn
from common.messages.commands import CutOver, Heard, TakeOver
from common.messages.facts import CallerSaid, ConversationTrimmed
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from common.pcmu import silence
from integration.realtime_worker.edge_stand_in import PROFILE, EdgeStandIn, Leg, until
from integration.realtime_worker.stage import Stage, Stages, metric
from simulators.people.recordings import load
from talker.core.seeding import CONTINUED, TRIMMED

CALLER = load("caller-2")
GREETED = Turn(speaker="agent", item_id="item_a", text="Hello, how can I help?", start_ms=0, end_ms=2_000)
ASKED = Turn(speaker="caller", item_id="item_b", text="When do you open?", start_ms=2_500, end_ms=4_000)
ANSWERED = Turn(speaker="agent", item_id="item_c", text="At nine in the morning.", start_ms=5_000, end_ms=7_000)
GONE_ON = load("agent-i-see").text
"""What the model says when it is asked to go on."""
NIGHT_DESK = Instructions(call_id="any", revision=3, instructions="You are the night desk.")
SPOKEN = silence(600) + CALLER.pcmu + silence(800)


def live(session: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return [item for item in session["items"] if item["source"] == "live" and item["role"] == role]


async def offered(on: Stage, *conversation: AnyTurn, **fields: Any) -> Leg:
    """A running call is offered to the worker."""
    given: dict[str, Any] = {"reason": HandoverReason.TALKER_LOST, "epoch": 4, "conversation": conversation}
    leg, _ = await on.edge.offer(**given | fields)
    await on.edge.ready(leg)
    return leg


async def answered_once(on: Stage, leg: Leg) -> dict[str, Any]:
    """The agent has said one thing and says nothing more. Returns the session's record."""
    await until(lambda: leg.of(Kind.ITEM_END))
    await on.edge.be_silent(leg, 600)
    session = await on.session()
    assert session["refused"] == []
    assert [response["status"] for response in session["responses"]] == ["completed"]
    assert len(leg.items) == 1
    return session


async def settled(on: Stage) -> None:
    """The model may answer by itself, and has confirmed it."""
    async with asyncio.timeout(10):
        while (await on.session())["client_events"].get("session.update", 0) < 2:
            await asyncio.sleep(0.01)


async def test_a_caller_whose_words_are_replayed_is_answered_once(stage: Stages) -> None:
    async with stage() as on:
        clock_ms = 2_000 + len(SPOKEN) // 8
        leg = await offered(on, GREETED, clock_ms=clock_ms, replay=SPOKEN)
        session = await answered_once(on, leg)
        assert [(item["role"], item["source"]) for item in session["items"]] == [
            ("assistant", "seeded"),
            ("system", "seeded"),
            ("user", "live"),
            ("assistant", "live"),
        ]
        assert session["items"][1]["text"] == CONTINUED
        assert session["items"][2]["recordings"] == ["caller-2"]
        assert session["configuration"]["audio"]["input"]["turn_detection"]["create_response"]
        (said,) = on.edge.facts_of(leg, CallerSaid)
        assert (said.text, said.epoch) == (CALLER.text, 4)
        assert said.start_ms == pytest.approx(2_600, abs=400)
        assert said.end_ms == pytest.approx(2_600 + CALLER.duration_ms, abs=500)
        assert leg.of(Kind.ITEM)[0][3] == said.end_ms


async def test_a_caller_who_waits_by_what_is_known_is_answered_once(stage: Stages) -> None:
    async with stage() as on:
        await answered_once(on, await offered(on, GREETED, ASKED, clock_ms=5_000, replay=silence(1_000)))


async def test_a_caller_in_the_middle_of_a_sentence_is_heard_to_its_end_and_answered_once(stage: Stages) -> None:
    half = len(CALLER.pcmu) // 320 * 160
    async with stage() as on:
        leg = await offered(on, GREETED, clock_ms=2_600 + half // 8, replay=silence(600) + CALLER.pcmu[:half])
        await on.edge.speak(leg, CALLER.pcmu[half:])
        await on.edge.be_silent(leg, 900)
        session = await answered_once(on, leg)
        (item,) = live(session, "user")
        assert item["recordings"] == ["caller-2"]


async def test_a_caller_who_was_answered_is_left_alone_and_heard_from_then_on(stage: Stages) -> None:
    async with stage() as on:
        leg = await offered(on, GREETED, ASKED, ANSWERED, clock_ms=8_000)
        await settled(on)
        await on.edge.be_silent(leg, 300)
        assert (await on.session())["responses"] == []
        await on.edge.speak(leg, CALLER.pcmu)
        await on.edge.be_silent(leg, 700)
        await answered_once(on, leg)


async def test_a_turn_that_broke_off_is_gone_on_with(stage: Stages) -> None:
    async with stage() as on:
        cut_off = ANSWERED.model_copy(update={"is_unfinished": True})
        leg = await offered(on, GREETED, ASKED, cut_off, clock_ms=8_000)
        await answered_once(on, leg)
        assert leg.text_of(leg.items[0]) == GONE_ON


async def test_a_call_whose_first_talker_died_is_greeted(stage: Stages) -> None:
    async with stage() as on:
        leg = await offered(on, clock_ms=1_500, replay=silence(1_500))
        await answered_once(on, leg)
        assert leg.text_of(leg.items[0]) == PROFILE.greeting


async def test_tool_calls_are_told_with_their_results_even_if_nobody_can_know_them(stage: Stages) -> None:
    done = ToolTurn(
        item_id="item_" + "t" * 40,
        tool_call_id="call_1",
        name="list_tasks",
        arguments="{}",
        start_ms=4_100,
        output="[]",
    )
    lost = done.model_copy(update={"item_id": "item_u", "tool_call_id": "call_2", "output": None, "name": "?"})
    async with stage() as on:
        leg = await offered(on, GREETED, ASKED, done, lost, clock_ms=5_000)
        session = await answered_once(on, leg)
        kinds = [(item["type"], item["call_id"]) for item in session["items"] if item["type"] != "message"]
        assert kinds == [
            ("function_call", "call_1"),
            ("function_call_output", "call_1"),
            ("function_call", "call_2"),
            ("function_call_output", "call_2"),
        ]


async def test_what_does_not_fit_into_the_models_context_is_left_out_and_said(stage: Stages) -> None:
    said = tuple(
        Turn(speaker="caller", item_id=f"item_{index}", text="word " * 100, start_ms=index, end_ms=index)
        for index in range(200)
    )
    async with stage() as on:
        profile = PROFILE.model_copy(update={"model": "gpt-realtime-1.5"})
        leg = await offered(on, *said, profile=profile, clock_ms=5_000, omitted_turns=50)
        session = await answered_once(on, leg)
        (fact,) = on.edge.facts_of(leg, ConversationTrimmed)
        seeded = [item for item in session["items"] if item["source"] == "seeded"]
        assert (seeded[0]["role"], seeded[0]["text"]) == ("system", TRIMMED)
        assert len(seeded) == fact.kept_turns + 2
        assert fact.omitted_turns + fact.kept_turns == 250
        assert seeded[-2]["id"] == "item_199"


async def test_the_newest_instructions_are_in_force(stage: Stages) -> None:
    async with stage() as on:
        leg = await offered(on, GREETED, ASKED, clock_ms=5_000, instructions=NIGHT_DESK)
        assert (await answered_once(on, leg))["configuration"]["instructions"] == "You are the night desk."


async def test_a_turn_of_the_talker_before_is_cut_to_what_was_heard(stage: Stages) -> None:
    async with stage() as on:
        leg = await offered(on, GREETED, ASKED, ANSWERED, clock_ms=6_000)
        await settled(on)
        leg.still_playing = Heard(item_id="item_c", heard_ms=900, text="At nine")
        await on.edge.speak(leg, CALLER.pcmu)
        await on.edge.be_silent(leg, 700)
        session = await answered_once(on, leg)
        assert leg.clears[0].through_sequence == 0
        assert [item["text"] for item in session["items"] if item["role"] != "system"][:3] == [
            GREETED.text,
            ASKED.text,
            "At nine",
        ]


# --- waiting for the moment -----------------------------------------------------------------------------------------


async def waiting(on: Stage, **fields: Any) -> Leg:
    """A candidate that was told to wait."""
    return await offered(on, reason=HandoverReason.DRAIN, is_granted=False, may_wait=True, **fields)


async def test_a_candidate_waits_for_its_moment_and_says_again_that_it_is_ready(stage: Stages) -> None:
    async with stage() as on:
        leg = await waiting(on, clock_ms=5_000)
        await until(lambda: len(leg.readies) == 2)
        assert leg.readies[0] == leg.readies[1]
        assert leg.records == []
        await on.edge.cut_over(leg, CutOver(is_granted=True, conversation=(GREETED, ASKED)))
        await answered_once(on, leg)


async def test_a_lost_take_over_is_made_good_by_asking_again(stage: Stages) -> None:
    async with stage() as on:
        leg = await waiting(on, clock_ms=5_000)
        leg.cut = CutOver(is_granted=True, conversation=(GREETED, ASKED))
        await answered_once(on, leg)


async def test_audio_that_comes_before_the_cut_is_heard_after_the_words_once_and_in_order(stage: Stages) -> None:
    async with stage() as on:
        leg = await waiting(on, clock_ms=2_000)
        await on.edge.speak(leg, SPOKEN, pace=20)
        await asyncio.sleep(0.1)
        assert (await on.session())["caller_audio"]["count"] == 0
        await on.edge.cut_over(leg, CutOver(is_granted=True, conversation=(GREETED,)))
        session = await answered_once(on, leg)
        recognition = session["caller_audio"]["recognition"]
        assert (recognition["missing_frames"], recognition["duplicates"]) == (0, 0)
        assert recognition["in_order"]
        assert [item["role"] for item in session["items"]][:3] == ["assistant", "system", "user"]


async def test_audio_that_is_sent_again_is_heard_once(stage: Stages) -> None:
    repeated = {"name": "trunkline_audio_frames_dropped_total", "direction": "caller", "reason": "repeated"}
    async with stage() as on:
        leg = await offered(on, GREETED, clock_ms=2_000 + len(SPOKEN) // 8, replay=SPOKEN)
        before = metric(**repeated)
        await on.edge.send_record(leg, 2_000, SPOKEN[:8_000])
        await on.edge.send_record(leg, leg.clock_ms - 500, SPOKEN[-4_000:] + silence(1_000))
        leg.clock_ms += 1_000
        session = await answered_once(on, leg)
        assert metric(**repeated) == before + 1
        assert session["caller_audio"]["recognition"]["duplicates"] == 0
        assert session["caller_audio"]["bytes"] == leg.clock_ms * 8 - 16_000


async def test_a_forged_take_over_changes_nothing(stage: Stages) -> None:
    rejects = {"name": "trunkline_bus_rejects_total"}
    async with stage() as on:
        leg = await waiting(on, clock_ms=5_000)
        cut = CutOver(is_granted=True, conversation=(GREETED, ASKED))
        unknown, malformed = metric(**rejects, kind="no_call"), metric(**rejects, kind="malformed")
        await on.edge.tell(TakeOver(call_id=leg.call_id, epoch=99, cut=cut))
        await on.edge.tell(TakeOver(call_id="another-call", epoch=4, cut=cut))
        await on.edge.tell(TakeOver(call_id=leg.call_id, epoch=4, cut=CutOver(is_granted=False)))
        await until(lambda: metric(**rejects, kind="malformed") == malformed + 1)
        assert metric(**rejects, kind="no_call") == unknown + 2
        assert (await on.session())["items"] == []
        await on.edge.cut_over(leg, cut)
        await on.edge.cut_over(leg, CutOver(is_granted=True))
        await answered_once(on, leg)


async def test_a_cut_that_cannot_be_read_gives_the_call_back(stage: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EdgeStandIn, "_cut", lambda edge, leg: _Malformed())
    async with stage() as on:
        leg = await offered(on, GREETED)
        await until(lambda: leg.wishes)
        assert (leg.wishes[0].reason, leg.wishes[0].epoch) == (HandoverReason.UPSTREAM_FAILED, 4)
        await until(lambda: on.edge.heartbeats[-1].calls == 0)


class _Malformed:
    def encode(self) -> bytes:
        return b'{"is_granted": true, "conversation": [{"kind": "turn", "speaker": "nobody"}]}'


async def test_a_candidate_whose_session_dies_asks_for_another(stage: Stages) -> None:
    async with stage() as on:
        leg = await waiting(on)
        await on.fault("close", code=1011)
        await until(lambda: leg.wishes)
        assert (leg.wishes[0].reason, leg.wishes[0].epoch) == (HandoverReason.UPSTREAM_FAILED, 4)
        await until(lambda: on.edge.heartbeats[-1].calls == 0)


async def test_a_candidate_that_is_not_needed_after_all_frees_its_slot(stage: Stages) -> None:
    async with stage() as on:
        leg = await waiting(on)
        await on.edge.release(leg)
        await until(lambda: on.edge.heartbeats[-1].calls == 0)
        assert await on.closed_by() == {"client"}
