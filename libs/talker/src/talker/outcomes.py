"""What the breaker and the metrics learn of every attempt at the provider."""

import asyncio

from common import metrics, subjects
from common.bus.connection import Bus
from common.messages.outcome import Outcome


class Outcomes:
    """`write` never waits; `run` publishes. At most once: an outcome that is late is of no use."""

    def __init__(self, bus: Bus, provider: str, talker_id: str) -> None:
        self._bus = bus
        self._provider = provider
        self._subject = subjects.outcome(provider)
        self._talker_id = talker_id
        self._new: asyncio.Queue[Outcome] = asyncio.Queue(maxsize=1_000)

    def connected(self, model: str, error_code: str, latency_s: float) -> None:
        """An attempt to open a session ended; `error_code` is empty if it worked."""
        metrics.PROVIDER_CONNECTS.labels(self._provider, error_code or "ok").inc()
        self._write(
            Outcome(
                talker_id=self._talker_id,
                model=model,
                attempt="connect",
                is_ok=not error_code,
                error_code=error_code,
                latency_ms=_ms(latency_s),
            )
        )

    def responded(self, model: str, error_code: str, latency_s: float) -> None:
        """A response ended; `error_code` is empty if it worked."""
        self._write(
            Outcome(
                talker_id=self._talker_id,
                model=model,
                attempt="response",
                is_ok=not error_code,
                error_code=error_code,
                latency_ms=_ms(latency_s),
            )
        )

    def _write(self, outcome: Outcome) -> None:
        if not self._new.full():
            self._new.put_nowait(outcome)

    async def run(self) -> None:
        """Publish outcomes as they come, until cancelled."""
        while True:
            outcome = await self._new.get()
            await self._bus.publish(self._subject, outcome.encode())


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
