"""Handover at the edge: quiet moments, broken legs, adoption, and what the caller hears meanwhile."""

import time

from common import ids
from common.audio import Kind
from common.messages.commands import Adopt, Adopted, HandingOver, HandOver, LeftOver, NotTalking, StandingAsked
from common.messages.facts import (
    AgentSaid,
    CallEnded,
    CallerSaid,
    EpochChanged,
    LegReattached,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    TurnStarted,
)
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason, Offer
from common.pcmu import silence
from edge.core.clip import CLIP
from edge.core.comfort import ANSWER_AFTER_S
from fakes.talker import Talker, spoken, talking
from fakes.waiting import until
from integration.edge.phone import FRAME_MS, Stream
from integration.edge.running import Stage, counted

DRAIN = HandoverReason.DRAIN


async def tell(talker: Talker, fact: CallerSaid | TurnStarted | TurnEnded | ToolCalled | ToolReturned) -> None:
    await talker.client.publish(f"trunk.v1.fact.{fact.call_id}", fact.encode())


async def said_and_played(edge: Stage, talker: Talker, offer: Offer, stream: Stream, item: str, text: str) -> None:
    await talker.say(offer, item, 100, text)
    await stream.hears(800)
    await stream.play()
    await edge.facts.wait_for(stream.call_sid, "agent_said")


async def test_while_somebody_speaks_a_planned_change_waits_and_then_knows_what_was_said_meanwhile(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await first.say(offer, "item-1", 400, "How can I help?")
        await stream.hears(3_200)
        first.manners = "refuses"
        async with talking(edge.nats_url, talker_id="second") as second:
            await first.please(offer, DRAIN)
            following = await second.cut_over_to()
            assert (second.cuts[0].is_granted, second.cuts[0].may_wait) == (False, True)
            assert (await second.ready(following)).may_wait
            call = {"call_id": stream.call_sid, "epoch": 1}
            await tell(first, TurnStarted(**call, speaker="caller", item_id="c-1"))
            await edge.facts.wait_for(stream.call_sid, "turn_started", 2)
            await stream.play()
            at_ms = (await edge.facts.wait_for(stream.call_sid, "agent_said")).at_ms
            await tell(first, TurnEnded(**call, item_id="c-1", end_ms=at_ms))
            await tell(first, CallerSaid(**call, item_id="c-1", text="My train.", start_ms=at_ms, end_ms=at_ms))
            await edge.facts.wait_for(stream.call_sid, "caller_said")
            assert len(second.cuts) == 2
            await first.say(offer, "item-2", 200, "Which train?", asked_at_ms=at_ms)
            await stream.hears(4_800)
            await stream.play()
            taken = await second.cut_over_to(3)
            assert second.cuts[2].is_granted
            assert [turn.text for turn in spoken(second.cuts[2])] == ["How can I help?", "My train.", "Which train?"]
            assert (await first.released()).reason == DRAIN
            await second.say(taken, "item-3", 40)
            await stream.hears(5_120)


async def test_an_operator_may_order_a_handover_of_a_call_by_asking_all_edges(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await said_and_played(edge, first, offer, stream, "item-1", "Hello.")
        first.manners = "refuses"
        async with talking(edge.nats_url, talker_id="second") as second:
            order = HandOver(call_id=stream.call_sid).encode()
            answer = await second.client.request("trunk.v1.edges", order, timeout=5)
            handing = HandingOver.decode(answer.data)
            assert (handing.edge_id, handing.epoch, handing.talker_id) == (edge.edge.edge_id, 1, "first")
            assert (await second.cut_over_to()).reason is HandoverReason.OPERATOR


async def test_a_turn_that_still_plays_when_its_talker_is_lost_is_known_to_the_next_as_cut_off(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await first.send(
            offer, (Kind.ITEM, 0, b"item-1"), (Kind.TEXT, 0, b"The next train"), (Kind.AUDIO, 0, b"\xff" * 8_000)
        )
        await stream.hears(8_000)
        async with talking(edge.nats_url, talker_id="second") as second:
            await first.die()
            await second.cut_over_to()
            (turn,) = spoken(second.cuts[0])
            assert (turn.text, turn.item_id, turn.is_unfinished) == ("The next train", "item-1", True)
            await stream.play()
            said = await edge.facts.wait_for(stream.call_sid, "agent_said")
    assert isinstance(said, AgentSaid)
    assert (said.heard_ms, said.is_interrupted, said.is_unfinished) == (1_000, False, True)


async def test_tools_and_instructions_go_along_with_the_conversation(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        await first.cut_over_to()
        call = {"call_id": stream.call_sid, "epoch": 1}
        tool = {"item_id": "t-1", "tool_call_id": "call_1", "name": "get_task", "arguments": "{}"}
        await tell(first, ToolCalled(**call, at_ms=100, **tool))
        await tell(first, ToolReturned(**call, at_ms=200, tool_call_id="call_1", output='{"ok":true}'))
        await tell(first, ToolReturned(**call, at_ms=300, tool_call_id="call_1", output="a second result"))
        for revision in (2, 1):
            new = Instructions(call_id=stream.call_sid, revision=revision, instructions=f"Revision {revision}.")
            await first.client.publish(f"trunk.v1.instructions.{stream.call_sid}", new.encode())
        await edge.facts.wait_for(stream.call_sid, "tool_returned", 2)
        async with talking(edge.nats_url, talker_id="second") as second:
            await first.die()
            await second.cut_over_to()
            cut = second.cuts[0]
        assert [turn.model_dump(include={"name", "output"}) for turn in cut.conversation] == [
            {"name": "get_task", "output": '{"ok":true}'}
        ]
        assert cut.instructions is not None
        assert (cut.instructions.revision, cut.instructions.instructions) == (2, "Revision 2.")


async def test_without_a_talker_the_caller_hears_that_the_line_lives(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await said_and_played(edge, first, offer, stream, "item-1", "Hello.")
        await first.die()
        await stream.hears(800 + len(CLIP))
        assert stream.agent_audio[800:] == CLIP
        await stream.play()
        async with talking(edge.nats_url, talker_id="second") as second:
            following = await second.cut_over_to()
            await second.say(following, "item-2", 40)
            await until(lambda: stream.agent_audio.endswith(b"\xff" * 320))


async def test_who_has_just_spoken_when_the_talker_is_lost_is_given_the_time_an_answer_takes(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        await first.cut_over_to()
        stream.is_speaking = True
        await until(lambda: stream.frames_sent > 30)
        stream.is_speaking = False
        spoke_at = time.monotonic()
        await first.die()
        await stream.hears(len(CLIP))
        assert time.monotonic() - spoke_at >= ANSWER_AFTER_S - 2 * FRAME_MS / 1000


async def test_an_answer_that_is_long_overdue_is_covered_too(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await said_and_played(edge, first, offer, stream, "item-1", "Hello.")
        call = {"call_id": stream.call_sid, "epoch": 1}
        await tell(first, TurnStarted(**call, speaker="caller", item_id="c-1"))
        await tell(first, TurnEnded(**call, item_id="c-1", end_ms=450))
        await stream.hears(800 + len(CLIP))


async def test_a_turn_that_falters_is_covered_although_its_talker_lives_and_then_goes_on(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await first.send(offer, (Kind.ITEM, 0, b"item-1"), (Kind.AUDIO, 0, silence(100)))
        await stream.hears(800)
        await stream.play()
        await stream.hears(800 + len(CLIP))
        await first.send(offer, (Kind.AUDIO, 100, silence(40)), (Kind.ITEM_END, 140, b"item-1"))
        await stream.hears(1_120 + len(CLIP))
        await stream.play()
        said = await edge.facts.wait_for(stream.call_sid, "agent_said")
    assert stream.agent_audio == silence(100) + CLIP + silence(40)
    assert isinstance(said, AgentSaid)
    assert (said.heard_ms, said.audio_ms, said.is_interrupted) == (140, 140, False)


async def test_the_rest_of_a_turn_that_broke_off_is_covered_until_the_next_talker_says_it(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await first.send(offer, (Kind.ITEM, 0, b"item-1"), (Kind.AUDIO, 0, silence(100)))
        await stream.hears(800)
        async with talking(edge.nats_url, talker_id="second") as second:
            await first.die()
            following = await second.cut_over_to()
            await stream.play()
            await stream.hears(800 + len(CLIP))
            await stream.play()
            await second.say(following, "item-2", 40)
            await until(lambda: stream.agent_audio.endswith(CLIP + silence(40)))


async def test_a_stream_that_breaks_is_followed_by_another_with_the_same_talker_and_session(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first:
        async with edge.phone.call() as stream:
            call_sid = stream.call_sid
            offer = await first.cut_over_to()
            await said_and_played(edge, first, offer, stream, "item-1", "Hello.")
            await until(lambda: stream.frames_sent > 20)
        left_over = LeftOver(item_id="item-2", text="On Mon", start_ms=300, heard_ms=100, audio_ms=400)
        first.adopted = lambda _: Adopted(
            is_adopted=True, realtime_session_id="sess-first", leg_clock_ms=60_000, left_over=(left_over,)
        )
        answer = await edge.phone.webhook("resume", call_sid)
        async with edge.phone.stream(call_sid, answer.parameters) as again:
            changed = await edge.facts.wait_for(call_sid, "epoch_changed", 2)
            adopt = next(command for command in first.commands if isinstance(command, Adopt))
            assert (adopt.epoch, adopt.new_epoch, adopt.known_items) == (1, 2, ("item-1",))
            await first.say(offer.model_copy(update={"epoch": 2}), "item-3", 40)
            await again.hears(320)
            await until(lambda: any(record[1] == 2 for record in first.caller_audio))
            said = await edge.facts.wait_for(call_sid, "agent_said", 2)
            await again.hang_up()
        await edge.facts.wait_for(call_sid, "call_ended")
        record = await edge.record(call_sid)
    assert isinstance(changed, EpochChanged)
    assert (changed.epoch, changed.reason) == (2, HandoverReason.REATTACHED)
    assert isinstance(said, AgentSaid)
    assert (said.item_id, said.text, said.heard_ms, said.is_interrupted) == ("item-2", "On Mon", 100, True)
    heard_again = [record[3] for record in first.caller_audio if record[1] == 2]
    assert heard_again[0] >= 60_000, "what a talker has heard before it would take for a repetition"
    assert len(first.offers) == 1, "nothing was seeded anew"
    kinds = [fact.type for fact in edge.facts.of(call_sid)]
    assert (kinds.count("call_started"), kinds.count("leg_reattached"), kinds.count("call_ended")) == (1, 1, 1)
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2]
    assert [turn["text"] for turn in record["turns"]][:1] == ["Hello."]
    assert edge.records_file.read_text().count(call_sid) == 1


async def test_when_the_talker_from_before_is_gone_another_is_seeded_with_everything(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first:
        async with edge.phone.call() as stream:
            call_sid = stream.call_sid
            offer = await first.cut_over_to()
            await said_and_played(edge, first, offer, stream, "item-1", "Hello.")
        await edge.facts.wait_for(call_sid, "agent_said")
        first.manners = "refuses"
        async with talking(edge.nats_url, talker_id="second") as second:
            answer = await edge.phone.webhook("resume", call_sid)
            async with edge.phone.stream(call_sid, answer.parameters):
                following = await second.cut_over_to()
                assert (following.reason, following.epoch > 2) == (HandoverReason.TALKER_LOST, True)
                assert [turn.text for turn in spoken(second.cuts[0])] == ["Hello."]


async def test_a_talker_may_ask_whether_it_still_counts(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        for epoch, talker_id, is_current in ((1, "first", True), (1, "second", False), (2, "first", False)):
            asked = StandingAsked(call_id=stream.call_sid, epoch=epoch, talker_id=talker_id)
            answer = await first.client.request(f"trunk.v1.edge.{offer.edge_id}", asked.encode(), timeout=5)
            assert (b'"is_current":true' in answer.data) == is_current


async def test_facts_of_another_call_on_this_calls_subject_are_refused(edge: Stage) -> None:
    before = counted("bus_rejects", kind="malformed")
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        await first.cut_over_to()
        forged = CallEnded(call_id="CA1", reason="caller_hangup", duration_ms=1)
        await first.client.publish(f"trunk.v1.fact.{stream.call_sid}", forged.encode())
        await until(lambda: counted("bus_rejects", kind="malformed") > before)
        assert stream.is_open


async def test_a_second_break_is_survived_as_the_first(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first:
        first.adopted = lambda _: Adopted(is_adopted=True, realtime_session_id="sess-first")
        async with edge.phone.call() as stream:
            call_sid = stream.call_sid
            await first.cut_over_to()
        for count in (2, 3):
            answer = await edge.phone.webhook("resume", call_sid)
            async with edge.phone.stream(call_sid, answer.parameters):
                changed = await edge.facts.wait_for(call_sid, "epoch_changed", count)
                assert changed.epoch == count
    assert len([fact for fact in edge.facts.of(call_sid) if isinstance(fact, LegReattached)]) == 2


async def test_a_talker_that_denies_to_talk_in_a_call_is_replaced(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        await first.cut_over_to()
        await until(lambda: first.caller_audio)
        first.manners = "refuses"
        async with talking(edge.nats_url, talker_id="second") as second:
            denial = NotTalking(calls=((ids.call_key(stream.call_sid), 1),))
            await first.client.publish(f"trunk.v1.undelivered.{edge.edge.edge_id}.first", denial.encode())
            assert (await second.cut_over_to()).reason is HandoverReason.TALKER_LOST
            assert (await first.released()).epoch == 1
