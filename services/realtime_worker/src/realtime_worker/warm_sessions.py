"""The speech sessions kept open ahead of need: the shell around `core.warm_pool`."""

import asyncio
import random
import time
from typing import assert_never

from common import logs, metrics
from common.errors import TrunklineError
from realtime_worker.core.warm_pool import Close, Open, WarmPool
from realtime_worker.opening import Opener
from realtime_worker.speech_session import SpeechSession
from talker.close_codes import closed_label
from talker.port import SessionClosed, SpeechEvent

log = logs.get("warm")


class WarmSessions:
    """Sessions of the default model, open and unconfigured. The provider counts their age from the connect on."""

    def __init__(self, opener: Opener, model: str, target: int, max_age_s: float) -> None:
        self._opener = opener
        self._model = model
        self._pool: WarmPool[SpeechSession] = WarmPool(target, max_age_s, lambda: random.uniform(0.8, 1.0))  # noqa: S311
        self._wake = asyncio.Event()

    def take(self, model: str) -> SpeechSession | None:
        """A session for a call, if one of this model is there; it is the call's then."""
        speech = self._pool.take(time.monotonic()) if model == self._model else None
        if speech is not None:
            speech.hold()
            self._changed()
        return speech

    async def run(self) -> None:
        """Keep them, until cancelled or retired."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                for command in self._pool.due(time.monotonic()):
                    match command:
                        case Open():
                            tasks.create_task(self._open())
                        case Close(speech):
                            speech.close()
                        case _:
                            assert_never(command)
                metrics.WARM_SESSIONS.set(len(self._pool))
                await self._sleep()

    def retire(self) -> None:
        """Close them all and open no more."""
        for command in self._pool.retire():
            command.session.close()
        self._changed()

    async def _open(self) -> None:
        try:
            speech = await self._opener.idle(self._model)
        except TrunklineError as error:
            log.warning("no warm session", extra=logs.fields(error=type(error).__name__, why=str(error)))
            self._pool.open_failed(time.monotonic())
        else:
            self._pool.opened(speech, time.monotonic())
            speech.listen(lambda event: self._on_event(speech, event))
        self._changed()

    def _on_event(self, speech: SpeechSession, event: SpeechEvent) -> None:
        if isinstance(event, SessionClosed):
            metrics.PROVIDER_CLOSES.labels(speech.provider, closed_label(event.close_code)).inc()
            self._pool.died(speech)
            self._changed()

    def _changed(self) -> None:
        metrics.WARM_SESSIONS.set(len(self._pool))
        self._wake.set()

    async def _sleep(self) -> None:
        delay = self._pool.next_deadline() - time.monotonic()
        try:
            async with asyncio.timeout(None if delay == float("inf") else max(0.0, delay)):
                await self._wake.wait()
        except TimeoutError:
            return
