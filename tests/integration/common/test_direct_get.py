"""What a stream keeps, read in one request: whole or not at all, and nothing left behind."""

import pytest
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from common.bus import direct_get
from common.bus.connection import Bus
from common.bus.direct_get import all_of, last_of_each
from common.errors import DeadlineExceeded, UpstreamUnavailable
from fakes.nats import NatsServer
from fakes.waiting import until

STREAM = "SHELF"


async def shelve(bus: Bus, *messages: tuple[str, bytes], direct: bool = True) -> None:
    """A stream with these messages."""
    await bus.jetstream.add_stream(StreamConfig(name=STREAM, subjects=["shelf.>"], allow_direct=direct))
    for subject, data in messages:
        await bus.jetstream.publish(subject, data, timeout=10)


async def test_the_newest_of_each_subject_and_all_of_them_are_read(bus: Bus) -> None:
    await shelve(bus, ("shelf.a", b"1"), ("shelf.b", b"2"), ("shelf.a", b"3"), ("shelf.c.d", b""))
    newest = await last_of_each(bus, STREAM, "shelf.>", 10)
    assert {(kept.subject, kept.data, kept.sequence) for kept in newest} == {
        ("shelf.b", b"2", 2),
        ("shelf.a", b"3", 3),
        ("shelf.c.d", b"", 4),
    }
    every = await all_of(bus, STREAM, "shelf.*", 10)
    assert [(kept.subject, kept.data) for kept in every] == [("shelf.a", b"1"), ("shelf.b", b"2"), ("shelf.a", b"3")]
    assert all(kept.stored_at.endswith("Z") for kept in every)
    assert (await bus.jetstream.stream_info(STREAM)).state.consumer_count == 0


async def test_a_stream_that_holds_nothing_gives_nothing(bus: Bus) -> None:
    await shelve(bus)
    assert await last_of_each(bus, STREAM, "shelf.>", 10) == ()
    assert await all_of(bus, STREAM, "shelf.>", 10) == ()


async def test_more_than_one_batch_is_cut_where_it_ends(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_get, "AT_MOST", 3)
    await shelve(bus, *((f"shelf.{number}", b"") for number in range(5)))
    assert [kept.sequence for kept in await all_of(bus, STREAM, "shelf.>", 10)] == [1, 2, 3]


async def test_a_stream_that_is_not_there_or_not_readable_this_way_is_said(bus: Bus) -> None:
    with pytest.raises(UpstreamUnavailable):
        await last_of_each(bus, "GONE", "shelf.>", 10)
    await shelve(bus, direct=False)
    with pytest.raises(UpstreamUnavailable):
        await last_of_each(bus, STREAM, "shelf.>", 10)


async def test_without_a_connection_it_fails_at_once(server: NatsServer, bus: Bus) -> None:
    await server.stop()
    await until(lambda: not bus.is_connected)
    with pytest.raises(UpstreamUnavailable):
        await last_of_each(bus, STREAM, "shelf.>", 3_600)


async def test_an_answer_that_never_ends_is_not_waited_for(bus: Bus) -> None:
    await bus.subscribe(f"$JS.API.DIRECT.GET.{STREAM}", lambda _: None)
    with pytest.raises(DeadlineExceeded):
        await last_of_each(bus, STREAM, "shelf.>", 0.05)


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_an_answer_of_which_a_part_is_lost_is_no_answer(bus: Bus, lost: int) -> None:
    parts = [
        {"Nats-Subject": "shelf.a", "Nats-Sequence": "4", "Nats-Time-Stamp": "t", "Nats-Last-Sequence": "0"},
        {"Nats-Subject": "shelf.b", "Nats-Sequence": "6", "Nats-Time-Stamp": "t", "Nats-Last-Sequence": "4"},
        {"Nats-Subject": "shelf.c", "Nats-Sequence": "9", "Nats-Time-Stamp": "t", "Nats-Last-Sequence": "6"},
        {"Status": "204", "Nats-Last-Sequence": "9"},
    ]
    reading = direct_get._Answer()
    for part in (*parts[: lost - 1], *parts[lost:]):
        reading.take(_message(part))
    with pytest.raises(UpstreamUnavailable, match="a part of the answer was lost"):
        reading.whole.result()
    whole = direct_get._Answer()
    for part in parts:
        whole.take(_message(part))
    assert [kept.sequence for kept in whole.whole.result()] == [4, 6, 9]


def _message(headers: dict[str, str]) -> Msg:
    return Msg(_client=None, headers=headers)  # type: ignore[arg-type]
