"""Sessions without a caller, opened when the fallback service asks whether the provider works again."""

import asyncio
import time
from typing import Final

from nats.aio.msg import Msg

from common import logs, subjects
from common.bus.connection import Bus
from common.ending import end_tasks
from common.errors import TrunklineError, UpstreamRejected
from common.messages.breaker import ProbeSession, SessionProbed
from realtime_worker.endpoints import Endpoints

log = logs.get("probing")

_WAITING_AT_MOST: Final = 2
"""Whoever asks for more at once is confused: each costs a connection to the provider."""


class Probing:
    """Work beside the calls (`talker.service.Beside`): answers `ProbeSession` until it is retired."""

    def __init__(self, bus: Bus, talker_id: str, endpoints: Endpoints) -> None:
        self._bus = bus
        self._talker_id = talker_id
        self._endpoints = endpoints
        self._asked: asyncio.Queue[tuple[ProbeSession, str]] = asyncio.Queue(maxsize=_WAITING_AT_MOST)
        self._is_retired = asyncio.Event()

    async def run(self) -> None:
        """Take questions, one probe after the other, until cancelled or retired."""
        stop = await self._bus.subscribe(subjects.probe("realtime"), self._on_question, queue="realtime")
        working = asyncio.create_task(self._work())
        try:
            await self._is_retired.wait()
            await stop()
        finally:
            await end_tasks([working])

    def retire(self) -> None:
        """Probe no more."""
        self._is_retired.set()

    def _on_question(self, message: Msg) -> None:
        question = ProbeSession.decode(message.data)
        if message.reply and not self._asked.full():
            self._asked.put_nowait((question, message.reply))

    async def _work(self) -> None:
        while True:
            question, reply_to = await self._asked.get()
            answer = await self._probe(question)
            await self._bus.publish(reply_to, answer.encode())

    async def _probe(self, question: ProbeSession) -> SessionProbed:
        """The attempt's outcome goes to the breaker like any other's."""
        began_at = time.monotonic()
        error_code = ""
        try:
            endpoint = self._endpoints.find(question.provider)
            if endpoint is None:
                raise UpstreamRejected("this worker has no endpoint of that name")
            (await endpoint.opener.idle(question.model)).close()
        except TrunklineError as error:
            error_code = error.code
        latency_ms = round((time.monotonic() - began_at) * 1000)
        log.info("probed", extra=logs.fields(error=error_code, ms=latency_ms))
        return SessionProbed(talker_id=self._talker_id, error_code=error_code, latency_ms=latency_ms)
