"""Reading what a stream keeps, in one request: batched direct gets (ADR-31 of NATS, server 2.11).

No consumer is made, so nothing is left behind and nothing has to be made again after an outage; any replica answers,
also while the stream has no leader. The answer may be a moment old.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.msg import Msg

from common.bus.connection import Bus
from common.errors import DeadlineExceeded, UpstreamUnavailable

AT_MOST: Final = 1_000
"""Messages in one answer."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One message of a stream."""

    subject: str
    data: bytes
    sequence: int
    stored_at: str
    """Wall clock, ISO 8601 UTC, as the server has it: for people, never for decisions."""
    headers: Mapping[str, str]


async def last_of_each(bus: Bus, stream: str, subjects: str, within_s: float) -> tuple[Kept, ...]:
    """The newest message of every subject that matches. Raises `UpstreamUnavailable` or `DeadlineExceeded`."""
    return await _read(bus, stream, {"multi_last": [subjects], "batch": AT_MOST}, within_s)


async def all_of(bus: Bus, stream: str, subjects: str, within_s: float) -> tuple[Kept, ...]:
    """Every message whose subject matches, the oldest first, `AT_MOST` of them. Raises as `last_of_each` does."""
    return await _read(bus, stream, {"seq": 1, "next_by_subj": subjects, "batch": AT_MOST}, within_s)


async def after(bus: Bus, stream: str, subjects: str, sequence: int, within_s: float) -> tuple[Kept, ...]:
    """The oldest messages that come after `sequence`, `AT_MOST` of them; none: there is nothing newer yet.

    Raises as `last_of_each` does.
    """
    return await _read(bus, stream, {"seq": sequence + 1, "next_by_subj": subjects, "batch": AT_MOST}, within_s)


async def first_since(bus: Bus, stream: str, subjects: str, since: datetime, within_s: float) -> Kept | None:
    """The oldest message stored at `since` or later (by the server's clock). Raises as `last_of_each` does."""
    query = {"start_time": since.isoformat(), "next_by_subj": subjects, "batch": 1}
    return next(iter(await _read(bus, stream, query, within_s)), None)


async def _read(bus: Bus, stream: str, query: dict[str, Any], within_s: float) -> tuple[Kept, ...]:
    answer = _Answer()
    inbox = bus.new_inbox()
    try:
        async with asyncio.timeout(within_s):
            stop = await bus.subscribe(inbox, answer.take)
            try:
                if not await bus.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(query).encode(), reply=inbox):
                    raise UpstreamUnavailable("the bus is away")
                return await answer.whole
            finally:
                await stop()
    except TimeoutError as error:
        raise DeadlineExceeded(f"reading {stream}", within_s) from error


class _Answer:
    """What has come of it so far."""

    def __init__(self) -> None:
        self.whole: asyncio.Future[tuple[Kept, ...]] = asyncio.get_running_loop().create_future()
        self._messages: list[Kept] = []

    def take(self, message: Msg) -> None:
        """One message of the stream, or how the answer ends."""
        if self.whole.done():
            return
        headers = message.headers or {}
        match headers.get("Status"):
            case None:
                self._take(message, headers)
            case "404":  # nothing matches
                self.whole.set_result(())
            case "204" if self._last == int(headers.get("Nats-Last-Sequence", 0)):
                self.whole.set_result(tuple(self._messages))
            case "204":
                self._fail("a part of the answer was lost")
            case status:
                self._fail(f"it answered {status}")

    @property
    def _last(self) -> int:
        return self._messages[-1].sequence if self._messages else 0

    def _take(self, message: Msg, headers: Mapping[str, str]) -> None:
        if int(headers["Nats-Last-Sequence"]) not in (0, self._last):
            self._fail("a part of the answer was lost")
            return
        subject, stored_at = headers["Nats-Subject"], headers["Nats-Time-Stamp"]
        self._messages.append(Kept(subject, message.data, int(headers["Nats-Sequence"]), stored_at, headers))

    def _fail(self, why: str) -> None:
        self.whole.set_exception(UpstreamUnavailable(f"JetStream cannot be read: {why}"))
