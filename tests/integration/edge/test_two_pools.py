"""Two pools of talkers: calls go to the fallback when realtime cannot be had, with the conversation, and back."""

import dataclasses

import pytest
from nats.aio.msg import Msg

from common import subjects
from common.messages.commands import Ping
from common.messages.facts import CallerSaid, EpochChanged, LevelCause, ServiceLevelChanged
from common.messages.heartbeat import Heartbeat
from common.messages.offers import HandoverReason, Offer
from common.subjects import Pool
from edge.registry import CallEntry
from fakes.talker import Talker, spoken, talking
from fakes.waiting import until
from integration.edge.phone import CALLER, Stream, new_call_sid
from integration.edge.running import INTERRUPTED, UNAVAILABLE, Stage, counted

FAILED = HandoverReason.UPSTREAM_FAILED
GO_HOME = HandoverReason.BREAKER_CLOSED


async def says(edge: Stage, talker: Talker, offer: Offer, stream: Stream, item: str, text: str) -> None:
    """One agent turn, heard to its end."""
    told = edge.facts.types(stream.call_sid).count("agent_said")
    size = len(stream.agent_audio)
    await talker.say(offer, item, 100, text)
    await stream.hears(size + 800)
    await stream.play()
    await edge.facts.wait_for(stream.call_sid, "agent_said", told + 1)


async def entry(talker: Talker, call_sid: str) -> CallEntry:
    """What the registry holds of a call."""
    bucket = await talker.client.jetstream().key_value(subjects.CALLS_BUCKET)
    return CallEntry.decode((await bucket.get(call_sid)).value or b"")


def belongs(edge: Stage, home: Pool) -> None:
    """From now on new calls belong to this pool, as the rollout flags would have it."""
    calls, reattachment = edge.edge._calls, edge.edge._reattachment
    calls._around = dataclasses.replace(calls._around, home_of=lambda _call_id, _profile: home)
    reattachment._home_of = calls._around.home_of


def talkers(edge: Stage, call_sid: str) -> list[str]:
    """Who talked in the call, in order."""
    return [fact.talker_id for fact in edge.facts.of(call_sid) if isinstance(fact, EpochChanged)]


# --- down -------------------------------------------------------------------------------------------------------------


async def test_a_new_call_whose_worker_has_no_provider_begins_with_the_fallback(edge: Stage) -> None:
    refused = {"pool": "realtime", "result": "provider_down"}
    before = counted("offers", **refused)
    async with (
        talking(edge.nats_url, "has no provider") as worker,
        talking(edge.nats_url, pool="fallback") as fallback,
        edge.phone.call() as stream,
    ):
        offer = await fallback.cut_over_to()
        assert (offer.reason, offer.home, offer.caller_number) == (HandoverReason.START, "realtime", CALLER)
        assert [(each.is_last_resort, each.home) for each in worker.offers] == [(False, "realtime")]
        assert fallback.cuts[0].is_granted
        await fallback.say(offer, "item-1", 40)
        await stream.hears(320)
        await until(lambda: fallback.caller_audio)
    assert counted("offers", **refused) == before + 1
    assert counted("offers", pool="fallback", result="accepted") >= 1


@pytest.mark.parametrize("is_retryable", [True, False])
async def test_a_running_call_whose_provider_fails_goes_on_with_the_fallback_which_knows_everything(
    edge: Stage, is_retryable: bool
) -> None:
    async with (
        talking(edge.nats_url, talker_id="worker") as worker,
        talking(edge.nats_url, talker_id="fallback", pool="fallback") as fallback,
        edge.phone.call() as stream,
    ):
        offer = await worker.cut_over_to()
        await says(edge, worker, offer, stream, "item-1", "How can I help?")
        said = CallerSaid(call_id=stream.call_sid, epoch=1, item_id="c-1", text="My train.", start_ms=150, end_ms=200)
        await worker.client.publish(subjects.fact(stream.call_sid), said.encode())
        await edge.facts.wait_for(stream.call_sid, "caller_said")
        worker.manners = "fails"
        await worker.please(offer, FAILED, retryable=is_retryable)
        following = await fallback.cut_over_to()
        assert (following.reason, following.epoch) == (FAILED, 3 if is_retryable else 2)
        assert len(worker.offers) == (2 if is_retryable else 1)
        assert [turn.text for turn in spoken(fallback.cuts[0])] == ["How can I help?", "My train."]
        assert (await worker.released()).epoch == 1
        size = len(stream.agent_audio)
        await worker.say(offer, "item-late", 40)
        await fallback.say(following, "item-2", 40)
        await stream.hears(size + 320)
        await until(lambda: any(record[1] == following.epoch for record in fallback.caller_audio))
        await stream.hang_up()
        record = await edge.record(stream.call_sid)
    assert talkers(edge, stream.call_sid) == ["worker", "fallback"]
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, following.epoch]
    assert "item-late" not in [turn["item_id"] for turn in record["turns"]]


async def test_a_fallback_talker_that_dies_is_followed_by_another_of_its_pool(edge: Stage) -> None:
    async with (
        talking(edge.nats_url, "has no provider") as worker,
        talking(edge.nats_url, talker_id="one", pool="fallback") as one,
        edge.phone.call() as stream,
    ):
        await one.cut_over_to()
        async with talking(edge.nats_url, talker_id="other", pool="fallback") as other:
            await until(lambda: edge.edge._talkers.pool_of("other") == "fallback")
            await one.die()
            offer = await other.cut_over_to()
            assert (offer.reason, len(worker.offers)) == (HandoverReason.TALKER_LOST, 1)
            await other.say(offer, "item", 40)
            await until(lambda: stream.agent_audio)


async def test_when_the_fallback_takes_no_call_either_a_worker_has_to_try(edge: Stage) -> None:
    async with (
        talking(edge.nats_url, "has no provider") as worker,
        talking(edge.nats_url, "refuses", pool="fallback") as fallback,
        edge.phone.call(),
    ):
        offer = await worker.cut_over_to()
        assert offer.is_last_resort
        assert len(fallback.offers) == 3


async def test_without_a_fallback_a_worker_has_to_take_the_call_as_ever(edge: Stage) -> None:
    async with talking(edge.nats_url, "has no provider") as worker, edge.phone.call():
        offer = await worker.cut_over_to()
        assert (offer.epoch, offer.is_last_resort) == (1, True)


async def test_a_replica_that_takes_no_calls_is_neither_offered_any_nor_watched(edge: Stage) -> None:
    asked: list[Msg] = []

    async def keep(message: Msg) -> None:
        asked.append(message)

    async with talking(edge.nats_url) as worker:
        await worker.client.subscribe(subjects.talker("fallback-idle"), cb=keep)
        idle = Heartbeat(kind="fallback", process_id="fallback-idle", calls=0, capacity=0)
        await worker.client.publish(subjects.heartbeat("fallback", "fallback-idle"), idle.encode())
        async with talking(edge.nats_url, talker_id="quiet") as quiet:
            await until(lambda: edge.edge._talkers.pool_of("quiet") == "realtime")
            quiet._cancel()
            await until(lambda: any(isinstance(command, Ping) for command in quiet.commands))
        assert asked == [], "who is watched is asked soon after its last sign of life"
        assert edge.edge._talkers.pool_of("fallback-idle") is None
        assert not edge.edge._talkers.takes_calls("fallback")


async def test_with_nobody_in_either_pool_the_edge_is_alone_which_is_a_fact(
    edge: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.core.arbiter.TALKER_WITHIN_S", 1.5)
    changes = {"level": "L4", "cause": "no_talker"}
    before = counted("service_level_changes", **changes)
    async with (
        talking(edge.nats_url, "never answers"),
        talking(edge.nats_url, "refuses", pool="fallback"),
        edge.phone.call() as stream,
    ):
        assert await stream.closed() == 1000
        told = await edge.facts.wait_for(stream.call_sid, "service_level_changed")
        record = await edge.record(stream.call_sid)
        assert (await edge.phone.webhook("resume", stream.call_sid)).said == INTERRUPTED
    assert isinstance(told, ServiceLevelChanged)
    assert (told.level, told.before, told.cause) == (4, 0, LevelCause.NO_TALKER)
    assert record["end_reason"] == "no_talker"
    assert [(each["level"], each["before"], each["cause"]) for each in record["levels"]] == [(4, 0, "no_talker")]
    assert counted("service_level_changes", **changes) == before + 1


async def test_a_new_call_is_taken_while_either_pool_has_room(edge: Stage) -> None:
    async with talking(edge.nats_url, "refuses", capacity=0):
        assert (await edge.phone.webhook("voice", new_call_sid())).said == UNAVAILABLE
        async with talking(edge.nats_url, pool="fallback") as fallback, edge.phone.call():
            assert (await fallback.cut_over_to()).home == "realtime"


# --- up again ---------------------------------------------------------------------------------------------------------


async def test_a_call_goes_home_at_a_quiet_moment_with_its_conversation_and_its_level(edge: Stage) -> None:
    async with (
        talking(edge.nats_url, "has no provider", talker_id="worker") as worker,
        talking(edge.nats_url, talker_id="fallback", pool="fallback") as fallback,
        edge.phone.call() as stream,
    ):
        offer = await fallback.cut_over_to()
        await fallback.serve_at(offer, 2, 0, LevelCause.PROVIDER_FAILED)
        await says(edge, fallback, offer, stream, "item-1", "How can I help?")
        await edge.facts.wait_for(stream.call_sid, "service_level_changed")
        await until(lambda: edge.edge._calls.get(stream.call_sid) is not None)
        await fallback.say(offer, "item-2", 400, "One moment.")
        await stream.hears(4_000)
        worker.manners = "talks"
        await fallback.please(offer, GO_HOME)
        await until(lambda: worker.cuts)
        assert (worker.cuts[0].is_granted, worker.cuts[0].may_wait) == (False, True), "somebody speaks"
        held = await entry(worker, stream.call_sid)
        assert (held.service_level, held.home, held.talker_id) == (2, "realtime", "fallback")
        await stream.play()
        await until(lambda: len(worker.cuts) > 1)
        home = worker.offers[-1]
        assert (home.reason, home.is_last_resort) == (GO_HOME, False)
        assert (worker.cuts[1].is_granted, worker.cuts[1].service_level) == (True, 2)
        assert [turn.text for turn in spoken(worker.cuts[1])] == ["How can I help?", "One moment."]
        assert (await fallback.released()).reason == GO_HOME
        await worker.serve_at(home, 0, 2, LevelCause.RECOVERED)
        await worker.say(home, "item-3", 40)
        await stream.hears(4_320)
        await edge.facts.wait_for(stream.call_sid, "service_level_changed", 2)
        await stream.hang_up()
        record = await edge.record(stream.call_sid)
    assert talkers(edge, stream.call_sid) == ["fallback", "worker"]
    assert [(each["level"], each["cause"]) for each in record["levels"]] == [(2, "provider_failed"), (0, "recovered")]


@pytest.mark.parametrize("manners", ["has no provider", "fails", "refuses"])
async def test_a_call_that_may_go_home_and_cannot_keeps_its_talker_without_a_word(edge: Stage, manners: str) -> None:
    abandoned = {"cause": "breaker_closed", "result": "abandoned"}
    before = counted("takeovers", **abandoned)
    async with (
        talking(edge.nats_url, "has no provider") as worker,
        talking(edge.nats_url, pool="fallback") as fallback,
        edge.phone.call() as stream,
    ):
        offer = await fallback.cut_over_to()
        await says(edge, fallback, offer, stream, "item-1", "Hello.")
        worker.manners = manners  # type: ignore[assignment]  # one of its manners, as given above
        await fallback.please(offer, GO_HOME)
        await until(lambda: counted("takeovers", **abandoned) == before + 1)
        assert not any(each.is_last_resort for each in worker.offers)
        await says(edge, fallback, offer, stream, "item-2", "Still here.")
        assert (len(fallback.offers), talkers(edge, stream.call_sid)) == (1, [fallback.talker_id])
        worker.manners = "talks"
        await fallback.please(offer, GO_HOME)
        assert (await worker.cut_over_to()).reason == GO_HOME


# --- where a call belongs ---------------------------------------------------------------------------------------------


async def test_a_call_that_belongs_to_the_fallback_begins_there_and_keeps_its_home_when_it_comes_back(
    edge: Stage,
) -> None:
    belongs(edge, "fallback")
    async with talking(edge.nats_url) as worker, talking(edge.nats_url, pool="fallback") as fallback:
        await until(lambda: edge.edge._talkers.takes_calls("fallback"))
        async with edge.phone.call() as stream:
            call_sid = stream.call_sid
            await fallback.cut_over_to()
            await until(lambda: stream.frames_sent > 5)
        belongs(edge, "realtime")
        answer = await edge.phone.webhook("resume", call_sid)
        async with edge.phone.stream(call_sid, answer.parameters):
            again = await fallback.cut_over_to(2)
            assert (again.reason, again.home) == (HandoverReason.TALKER_LOST, "fallback")
        assert worker.offers == []


async def test_another_edge_learns_from_the_registry_where_a_call_belongs_and_at_which_level_it_was(
    edge: Stage,
) -> None:
    call_sid = new_call_sid()
    async with talking(edge.nats_url) as worker, talking(edge.nats_url, pool="fallback") as fallback:
        await until(lambda: edge.edge._talkers.takes_calls("fallback"))
        left = CallEntry(
            edge_id="gone", state="live", profile="desk", epoch=4, talker_id="lost", home="fallback", service_level=2
        )
        bucket = await worker.client.jetstream().key_value(subjects.CALLS_BUCKET)
        await bucket.put(call_sid, left.encode())
        answer = await edge.phone.webhook("resume", call_sid)
        async with edge.phone.stream(call_sid, answer.parameters):
            offer = await fallback.cut_over_to()
            assert (offer.home, offer.epoch > 4, worker.offers) == ("fallback", True, [])
            held = await entry(worker, call_sid)
            assert held.home == "fallback"


async def test_a_talker_that_outlived_its_edge_is_known_to_be_in_the_fallback_by_its_heartbeats(edge: Stage) -> None:
    call_sid = new_call_sid()
    async with talking(edge.nats_url) as worker, talking(edge.nats_url, talker_id="f", pool="fallback") as fallback:
        await until(lambda: edge.edge._talkers.pool_of("f") == "fallback")
        left = CallEntry(edge_id="gone", state="live", profile="desk", epoch=4, talker_id="f")
        bucket = await worker.client.jetstream().key_value(subjects.CALLS_BUCKET)
        await bucket.put(call_sid, left.encode())
        answer = await edge.phone.webhook("resume", call_sid)
        async with edge.phone.stream(call_sid, answer.parameters):
            offer = await fallback.cut_over_to()
            assert (offer.reason, worker.offers) == (HandoverReason.TALKER_LOST, [])


async def test_while_the_fallback_is_disabled_it_is_offered_nothing(edge: Stage) -> None:
    calls = edge.edge._calls
    calls._around = dataclasses.replace(calls._around, is_fallback_enabled=lambda: False)
    async with (
        talking(edge.nats_url, "has no provider") as worker,
        talking(edge.nats_url, pool="fallback") as fallback,
    ):
        await until(lambda: edge.edge._talkers.takes_calls("fallback"))
        async with edge.phone.call() as stream:
            offer = await worker.cut_over_to()
            assert offer.is_last_resort
            await worker.please(offer, FAILED)
            await worker.cut_over_to(2)
            assert (fallback.offers, stream.is_open) == ([], True)
