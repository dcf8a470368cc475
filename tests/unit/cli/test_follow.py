"""Following one call on the bus: its facts alone, each once, also those that came before its id was known."""

from typing import cast

import pytest
from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus, Handler
from common.errors import RemoteProtocolError
from common.messages.commands import EndReason
from common.messages.facts import AnyFact, CallEnded, DigitsPressed
from trunkline.demo.follow import FactListener


class OneSubscription:
    """A bus that takes one subscription and delivers what the test says."""

    def __init__(self) -> None:
        self.handler: Handler | None = None

    async def subscribe(self, subject: str, handler: Handler) -> None:
        assert subject == subjects.ALL_FACTS
        assert self.handler is None
        self.handler = handler

    def deliver(self, fact: AnyFact) -> None:
        self.deliver_bytes(fact.encode())

    def deliver_bytes(self, data: bytes) -> None:
        assert self.handler is not None
        self.handler(cast(Msg, type("Message", (), {"data": data})()))


def digits(call_id: str, fact_id: str) -> AnyFact:
    return DigitsPressed(call_id=call_id, fact_id=fact_id, digits="1")


async def test_facts_of_the_call_are_told_once_and_in_order() -> None:
    bus, told = OneSubscription(), list[str]()
    listener = FactListener(cast(Bus, bus), lambda fact: told.append(fact.fact_id))
    await listener.start()
    bus.deliver(digits("CA1", "early"))
    bus.deliver(digits("CA2", "other"))
    assert told == []
    listener.follow("CA1")
    for fact_id in ("early", "second", "second"):
        bus.deliver(digits("CA1", fact_id))
    bus.deliver(digits("CA2", "other-2"))
    assert told == ["early", "second"]
    assert not await listener.wait_ended(0)
    bus.deliver(CallEnded(call_id="CA1", reason=EndReason.CALLER_HANGUP, duration_ms=1))
    assert await listener.wait_ended(1)
    assert len(listener.facts) == 3


async def test_what_is_no_fact_is_refused_by_the_bus_and_not_by_us() -> None:
    bus = OneSubscription()
    listener = FactListener(cast(Bus, bus), lambda fact: None)
    await listener.start()
    with pytest.raises(RemoteProtocolError):
        bus.deliver_bytes(b"{}")
