"""One replica of several has it: a key in KV that its holder renews and that is gone soon after it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from common import logs, subjects
from common.bus.connection import Bus
from common.bus.topology import LEASE_S
from common.tenure import RENEW_EVERY_S, Tenure

log = logs.get("lease")

_WITHIN_S: Final = 1.0


class Lease:
    """Keep `run` running; `is_held` says whether it is this replica's now."""

    def __init__(
        self, bus: Bus, key: str, replica_id: str, on_change: Callable[[bool], None] = lambda is_held: None
    ) -> None:
        """`key`: what the lease is for. `on_change` is told when it is won and when it is lost."""
        self._bus = bus
        self._key = key
        self._replica_id = replica_id
        self._on_change = on_change
        self._was_held = False
        self._tenure = Tenure(LEASE_S)
        self._bucket: KeyValue | None = None
        self._revision: int | None = None

    @property
    def is_held(self) -> bool:
        """True while no other replica can have it."""
        return self._tenure.holds(time.monotonic())

    async def run(self) -> None:
        """Win the lease or keep it, until cancelled. Without KV nobody wins it."""
        while True:
            await self.attempt()
            await asyncio.sleep(RENEW_EVERY_S)

    async def attempt(self) -> None:
        """One attempt to win it, or to renew it: what `run` does over and over."""
        await self._try()
        self._tell()

    async def give_up(self) -> None:
        """Let another replica have it at once."""
        revision, self._revision = self._revision, None
        self._tenure.lost()
        self._tell()
        if revision is None or self._bucket is None:
            return
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._bucket.delete(self._key, last=revision)
        except (NatsError, TimeoutError, OSError) as error:
            log.info("the lease runs out by itself", extra=logs.fields(error=type(error).__name__))

    def _tell(self) -> None:
        if self.is_held != self._was_held:
            self._was_held = self.is_held
            self._on_change(self._was_held)

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
            return await self._bucket.create(self._key, value)
        return await self._bucket.update(self._key, value, last=self._revision)
