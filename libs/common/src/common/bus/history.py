"""Reading back the facts of one call from the stream, for an edge that takes the call over."""

import asyncio
import json
import time
from typing import Final

from nats.aio.msg import Msg

from common import logs, subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError
from common.messages.base import decode_as
from common.messages.facts import AnyFact, Fact

log = logs.get("history")

_REQUEST: Final = f"$JS.API.DIRECT.GET.{subjects.FACTS_STREAM}"
_BATCH: Final = 500
_ANSWER_WITHIN_S: Final = 0.4
_ASK_AGAIN_S: Final = 0.05


async def facts_of(bus: Bus, call_id: str, timeout_s: float) -> tuple[list[AnyFact], bool]:
    """The facts of a call in the stream's order, each once, and whether these are all there are.

    Not all: the bus or JetStream was away, or the time was up. Never raises. Facts that cannot be read, or that
    speak of another call, are left out and counted (`BUS_REJECTS`, kind `malformed`).

    Batched direct gets (ADR-31 of NATS, server 2.11): one request brings up to 500 facts, no consumer is made, and
    any replica answers, so that it works while the stream has no leader.
    """
    reading = _Reading(call_id)
    deadline = time.monotonic() + timeout_s
    inbox = bus.new_inbox()
    stop = await bus.subscribe(f"{inbox}.*", reading.take)
    try:
        while not reading.is_complete and (left_s := deadline - time.monotonic()) > 0:
            await _ask(bus, reading, inbox, min(left_s, _ANSWER_WITHIN_S))
    finally:
        await stop()
    return reading.facts, reading.is_complete


async def _ask(bus: Bus, reading: "_Reading", inbox: str, within_s: float) -> None:
    """One request, for what comes after the facts read so far. A frozen replica does not answer: then the next may."""
    answered = reading.begin_batch()
    query = {"seq": reading.last_sequence + 1, "next_by_subj": subjects.fact(reading.call_id), "batch": _BATCH}
    is_sent = await bus.publish(_REQUEST, json.dumps(query).encode(), reply=f"{inbox}.{reading.batch}")
    try:
        async with asyncio.timeout(within_s):
            if not (is_sent and await answered):
                await asyncio.sleep(_ASK_AGAIN_S)
    except TimeoutError:
        log.debug("no answer from the stream of facts")


class _Reading:
    """What was read so far."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.facts: list[AnyFact] = []
        self.is_complete = False
        self.last_sequence = 0
        self.batch = 0
        self._seen: set[str] = set()
        self._answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def begin_batch(self) -> "asyncio.Future[bool]":
        """Await it to know when the batch has ended, and whether well. Late answers to earlier requests are ignored."""
        self.batch += 1
        self._answered = asyncio.get_running_loop().create_future()
        return self._answered

    def take(self, message: Msg) -> None:
        """One answer: a fact, or how the batch ended."""
        if self._answered.done() or subjects.last_token(message.subject) != str(self.batch):
            return
        headers = message.headers or {}
        match headers.get("Status"):
            case None:
                self._take_fact(int(headers["Nats-Sequence"]), int(headers["Nats-Last-Sequence"]), message.data)
            case "204":  # end of batch
                self._end(is_last=headers.get("Nats-Num-Pending") == "0", sequence=int(headers["Nats-Last-Sequence"]))
            case "404":  # nothing found
                self._end(is_last=True, sequence=self.last_sequence)
            case _:
                self._answered.set_result(False)

    def _end(self, *, is_last: bool, sequence: int) -> None:
        is_whole = sequence == self.last_sequence
        self.is_complete = is_last and is_whole
        self._answered.set_result(is_whole)

    def _take_fact(self, sequence: int, previous: int, data: bytes) -> None:
        if previous not in (0, self.last_sequence):  # one was dropped on the way: ask again from there
            self._answered.set_result(False)
            return
        self.last_sequence = sequence
        fact = decode_as(Fact, data)
        if fact.call_id != self.call_id:
            raise RemoteProtocolError("a fact of another call")
        if fact.fact_id not in self._seen:
            self._seen.add(fact.fact_id)
            self.facts.append(fact)
