"""One replica decides: a key in KV that its holder renews and that is gone soon after it."""

import asyncio
import time
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from common import logs, metrics, subjects
from common.bus.connection import Bus
from common.bus.topology import LEASE_S
from fallback.core.tenure import RENEW_EVERY_S, Tenure

log = logs.get("lease")

_KEY: Final = "breakers"
_WITHIN_S: Final = 1.0


class Lease:
    """Keep `run` running; `is_held` says whether this replica decides now."""

    def __init__(self, bus: Bus, replica_id: str) -> None:
        self._bus = bus
        self._replica_id = replica_id
        self._tenure = Tenure(LEASE_S)
        self._bucket: KeyValue | None = None
        self._revision: int | None = None

    @property
    def is_held(self) -> bool:
        """True while no other replica can decide."""
        return self._tenure.holds(time.monotonic())

    async def run(self) -> None:
        """Win the lease or keep it, until cancelled. Without KV nobody decides, and all stays as it is."""
        was_held = False
        while True:
            await self._try()
            if self.is_held != was_held:
                was_held = self.is_held
                metrics.BREAKER_DECIDING.set(was_held)
                log.info("this replica decides" if was_held else "this replica stands by")
            await asyncio.sleep(RENEW_EVERY_S)

    async def give_up(self) -> None:
        """Let another replica have it at once."""
        revision, self._revision = self._revision, None
        self._tenure.lost()
        if revision is None or self._bucket is None:
            return
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._bucket.delete(_KEY, last=revision)
        except (NatsError, TimeoutError, OSError) as error:
            log.info("the lease runs out by itself", extra=logs.fields(error=type(error).__name__))

    async def _try(self) -> None:
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(_WITHIN_S):
                self._revision = await self._claim()
        except KeyWrongLastSequenceError:
            self._revision = None
            self._tenure.lost()
        except (NatsError, TimeoutError, OSError) as error:
            self._bucket = None
            log.debug("no word on the lease", extra=logs.fields(error=type(error).__name__))
        else:
            self._tenure.won(asked_at)

    async def _claim(self) -> int:
        """Raises `KeyWrongLastSequenceError` if another replica has it."""
        if self._bucket is None:
            self._bucket = await self._bus.jetstream.key_value(subjects.LEASES_BUCKET)
        value = self._replica_id.encode()
        if self._revision is None:
            return await self._bucket.create(_KEY, value)
        return await self._bucket.update(_KEY, value, last=self._revision)
