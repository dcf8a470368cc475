"""The bucket `control`: how the breakers stood last, for replicas and edges that start later."""

import asyncio
from collections import OrderedDict
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, NoKeysError

from common import logs, subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, UpstreamUnavailable
from common.messages.breaker import BreakerStanding

log = logs.get("control")

_WITHIN_S: Final = 2.0
_RETRY_AFTER_S: Final = 0.5
_PREFIX: Final = "breaker"


def key_of(standing: BreakerStanding) -> str:
    """Where it is kept: a dot in a model's name would be a level of the key."""
    return ".".join((_PREFIX, *(part.replace(".", "_") for part in (standing.provider, standing.model))))


class Control:
    """Keep `run` running: it writes what was noted, the newest of each breaker, as often as it takes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._unwritten: OrderedDict[str, BreakerStanding] = OrderedDict()
        self._wake = asyncio.Event()

    def note(self, standing: BreakerStanding) -> None:
        """Keep this; what nobody waits for is written when it can be."""
        self._unwritten[key_of(standing)] = standing
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unwritten:
                key, standing = next(iter(self._unwritten.items()))
                if not await self._write(key, standing):
                    await asyncio.sleep(_RETRY_AFTER_S)
                elif self._unwritten.get(key) is standing:
                    del self._unwritten[key]

    async def _write(self, key: str, standing: BreakerStanding) -> bool:
        try:
            async with asyncio.timeout(_WITHIN_S):
                bucket = await self._bus.jetstream.key_value(subjects.CONTROL_BUCKET)
                await bucket.put(key, standing.encode())
        except (NatsError, TimeoutError, OSError) as error:
            log.debug("a breaker's standing is not written yet", extra=logs.fields(error=type(error).__name__))
            return False
        return True

    async def read(self) -> tuple[BreakerStanding, ...]:
        """Every standing there is; one that cannot be read is left out. Raises `UpstreamUnavailable` without KV."""
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await self._read()
        except (NatsError, TimeoutError, OSError) as error:
            raise UpstreamUnavailable(f"KV did not answer: {type(error).__name__}") from error

    async def _read(self) -> tuple[BreakerStanding, ...]:
        bucket = await self._bus.jetstream.key_value(subjects.CONTROL_BUCKET)
        try:
            keys = [key for key in await bucket.keys() if key.startswith(f"{_PREFIX}.")]
        except NoKeysError:
            return ()
        found: list[BreakerStanding] = []
        for key in keys:
            try:
                found.append(BreakerStanding.decode((await bucket.get(key)).value or b""))
            except KeyNotFoundError:
                continue
            except RemoteProtocolError as error:
                log.warning("a breaker's standing cannot be read", extra=logs.fields(why=str(error)))
        return tuple(found)
