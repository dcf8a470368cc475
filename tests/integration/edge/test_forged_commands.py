"""Commands that are forged, stale or from the future: refused, counted, and the call they name goes on undisturbed."""

import pytest

from common.audio import Kind
from common.messages.base import Message
from common.messages.commands import Clear, CutOver, HandoverPlease, HangUp, Heard, Ready
from common.messages.offers import HandoverReason, Offer
from common.pcmu import silence
from fakes.talker import Talker, talking
from fakes.waiting import until
from integration.edge.running import Stage, counted


def ready(offer: Offer, talker_id: str, epoch: int) -> Ready:
    call = {"call_id": offer.call_id, "epoch": epoch}
    return Ready(**call, talker_id=talker_id, realtime_session_id="s", is_warm=True, open_ms=1)


async def ask(talker: Talker, offer: Offer, message: Message) -> bytes:
    answer = await talker.client.request(f"trunk.v1.edge.{offer.edge_id}", message.encode(), timeout=5)
    return answer.data


@pytest.mark.parametrize("epoch", [1, 2, 999_999])
async def test_a_talker_nobody_offered_the_call_to_is_denied(edge: Stage, epoch: int) -> None:
    async with talking(edge.nats_url, talker_id="a") as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        denied = CutOver.decode(await ask(talker, offer, ready(offer, "mallory", epoch)))
        assert (denied.is_granted, denied.may_wait, denied.conversation) == (False, False, ())
        await talker.say(offer, "item-1", 40)
        await stream.hears(320)


async def test_two_talkers_that_claim_one_offer_do_not_both_get_it(edge: Stage) -> None:
    async with talking(edge.nats_url, "never gets ready", talker_id="a") as talker, edge.phone.call():
        offer = await talker.offered()
        first = CutOver.decode(await ask(talker, offer, ready(offer, "a", offer.epoch)))
        second = CutOver.decode(await ask(talker, offer, ready(offer, "b", offer.epoch)))
        assert (first.is_granted, second.is_granted) == (True, False)


@pytest.mark.parametrize("epoch", [2, 999_999])
async def test_a_barge_in_of_an_epoch_that_is_not_current_cuts_nothing(edge: Stage, epoch: int) -> None:
    async with talking(edge.nats_url, talker_id="a") as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.say(offer, "item-1", 400)
        await stream.hears(3_200)
        clear = Clear(call_id=offer.call_id, epoch=epoch, through_sequence=99, onset_ms=0)
        assert Heard.decode(await ask(talker, offer, clear)) == Heard()
        assert "clear" not in stream.events()


async def test_wishes_of_strangers_change_no_talker(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="a") as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        for talker_id, epoch in (("mallory", 1), ("a", 2), ("a", 999_999)):
            wish = HandoverPlease(
                call_id=offer.call_id, epoch=epoch, talker_id=talker_id, reason=HandoverReason.UPSTREAM_FAILED
            )
            await ask(talker, offer, wish)
        await talker.say(offer, "item-1", 40)
        await stream.hears(320)
        assert len(talker.offers) == 1


async def test_audio_from_the_future_is_dropped_and_counted(edge: Stage) -> None:
    before = counted("audio_stale_epoch_frames")
    async with talking(edge.nats_url, talker_id="a") as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.send(offer.model_copy(update={"epoch": 999_999}), (Kind.AUDIO, 0, silence(20)))
        await until(lambda: counted("audio_stale_epoch_frames") > before)
        await talker.say(offer, "item-1", 40)
        await stream.hears(320)
        assert len(stream.agent_audio) == 320


async def test_a_stranger_cannot_hang_up_somebody_elses_call(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="a") as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        for talker_id, epoch in (("mallory", 1), ("a", 7)):
            wish = HangUp(call_id=offer.call_id, epoch=epoch, talker_id=talker_id)
            await talker.client.publish(f"trunk.v1.edge.{offer.edge_id}", wish.encode())
        await talker.say(offer, "item-1", 40)
        await stream.hears(320)
        assert stream.is_open


async def test_a_command_that_cannot_be_read_is_counted(edge: Stage) -> None:
    before = counted("bus_rejects", kind="malformed")
    async with talking(edge.nats_url, talker_id="a") as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        for body in (b"", b"{}", b"[]", b'{"type":"ready"}', b'{"type":"take_over","call_id":1}', b"\xff" * 500):
            await talker.client.publish(f"trunk.v1.edge.{offer.edge_id}", body)
        await until(lambda: counted("bus_rejects", kind="malformed") >= before + 6)
        assert stream.is_open
