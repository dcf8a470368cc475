"""What the breaker and the metrics learn of every attempt at a provider."""

import asyncio
from typing import Literal

from common import metrics, subjects
from common.bus.connection import Bus
from common.messages.outcome import Outcome


class Outcomes:
    """`connected` and `responded` never wait; `run` publishes. At most once: an outcome that is late is of no use."""

    def __init__(self, bus: Bus, talker_id: str, *, has_breaker: bool = True) -> None:
        """`has_breaker`: the fleet decides by them whether the provider may be given callers."""
        self._bus = bus
        self._talker_id = talker_id
        self._has_breaker = has_breaker
        self._new: asyncio.Queue[tuple[str, Outcome]] = asyncio.Queue(maxsize=1_000)

    def connected(self, provider: str, model: str, error_code: str, latency_s: float) -> None:
        """An attempt to open a session ended; `error_code` is empty if it worked."""
        metrics.PROVIDER_CONNECTS.labels(provider, error_code or "ok").inc()
        self._write("connect", provider, model, error_code, latency_s)

    def responded(self, provider: str, model: str, error_code: str, latency_s: float) -> None:
        """A response ended; `error_code` is empty if it worked."""
        self._write("response", provider, model, error_code, latency_s)

    def _write(
        self, attempt: Literal["connect", "response"], provider: str, model: str, error_code: str, latency_s: float
    ) -> None:
        if not self._has_breaker:
            return
        outcome = Outcome(
            talker_id=self._talker_id,
            model=model,
            attempt=attempt,
            is_ok=not error_code,
            error_code=error_code,
            latency_ms=max(0, round(latency_s * 1000)),
        )
        if not self._new.full():
            self._new.put_nowait((subjects.outcome(provider), outcome))

    async def run(self) -> None:
        """Publish outcomes as they come, until cancelled."""
        while True:
            subject, outcome = await self._new.get()
            await self._bus.publish(subject, outcome.encode())
