"""The registry of calls and the spent nonces, in KV: helpful when there, never waited for long, never needed."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from pydantic import Field

from common import logs, metrics, subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, SecurityError, UpstreamUnavailable
from common.messages.base import Message
from common.messages.commands import EndReason

log = logs.get("registry")

_WITHIN_S: Final = 0.3
_REMEMBERED: Final = 10_000


class CallEntry(Message):
    """What any edge may need to know of a call."""

    edge_id: str
    state: Literal["live", "ended"]
    profile: str
    epoch: int = Field(0, ge=0)
    talker_id: str = ""
    end_reason: EndReason | None = None


@dataclass(frozen=True)
class Held:
    """Somebody else has the call, as far as the registry knows."""

    entry: CallEntry
    revision: int


class Registry:
    """This edge's view of the buckets `calls` and `nonces`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._buckets: dict[str, KeyValue] = {}
        self._spent_here: OrderedDict[str, None] = OrderedDict()
        self._noted_here: OrderedDict[str, CallEntry] = OrderedDict()

    async def spend(self, nonce: str) -> None:
        """Use a nonce up. Raises `SecurityError` if it was used before, by any edge. Without KV, by this one."""
        if nonce in self._spent_here:
            raise SecurityError("replayed_token", "the stream's token was used before")
        self._spent_here[nonce] = None
        if len(self._spent_here) > _REMEMBERED:
            self._spent_here.popitem(last=False)
        try:
            async with asyncio.timeout(_WITHIN_S):
                await (await self._bucket(subjects.NONCES_BUCKET)).create(nonce, b"")
        except KeyWrongLastSequenceError as error:
            raise SecurityError("replayed_token", "the stream's token was used before") from error
        except (NatsError, TimeoutError, OSError) as error:
            self._failed(subjects.NONCES_BUCKET, error)

    async def claim(self, call_id: str, entry: CallEntry, over: Held | None = None) -> Held | None:
        """Enter a call as ours, by compare-and-set, so of two edges one wins. Returns who has it if not us.

        `over`: the entry found before, whose edge turned out to carry the call no longer. Without KV the call is ours:
        nothing live waits for it.
        """
        try:
            async with asyncio.timeout(_WITHIN_S):
                bucket = await self._bucket(subjects.CALLS_BUCKET)
                try:
                    if over is None:
                        await bucket.create(call_id, entry.encode())
                    else:
                        await bucket.update(call_id, entry.encode(), last=over.revision)
                except KeyWrongLastSequenceError:
                    found = await bucket.get(call_id)
                    return Held(CallEntry.decode(found.value or b""), found.revision or 0)
        except (NatsError, TimeoutError, OSError, RemoteProtocolError) as error:
            self._failed(subjects.CALLS_BUCKET, error)
        return None

    async def note(self, call_id: str, entry: CallEntry) -> None:
        """Write what is known of a call. Failing is counted, not raised: the call goes on, and we remember it."""
        self._noted_here[call_id] = entry
        self._noted_here.move_to_end(call_id)
        if len(self._noted_here) > _REMEMBERED:
            self._noted_here.popitem(last=False)
        try:
            async with asyncio.timeout(_WITHIN_S):
                await (await self._bucket(subjects.CALLS_BUCKET)).put(call_id, entry.encode())
        except (NatsError, TimeoutError, OSError) as error:
            self._failed(subjects.CALLS_BUCKET, error)

    async def look_up(self, call_id: str) -> CallEntry | None:
        """What is known of a call; None if nothing. Without KV: what this edge noted of it.

        Raises `UpstreamUnavailable` when KV is away and the call was never ours.
        """
        try:
            async with asyncio.timeout(_WITHIN_S):
                found = await (await self._bucket(subjects.CALLS_BUCKET)).get(call_id)
        except KeyNotFoundError:
            return None
        except (NatsError, TimeoutError, OSError) as error:
            self._failed(subjects.CALLS_BUCKET, error)
            if call_id in self._noted_here:
                return self._noted_here[call_id]
            raise UpstreamUnavailable("the registry is away") from error
        try:
            return CallEntry.decode(found.value) if found.value else None
        except RemoteProtocolError as error:
            self._failed(subjects.CALLS_BUCKET, error)
            raise UpstreamUnavailable("the registry holds an entry we cannot read") from error

    async def _bucket(self, name: str) -> KeyValue:
        if not self._bus.is_connected:
            raise ConnectionError("the bus is away")  # nats-py would wait, and ask once it is back
        if name not in self._buckets:
            self._buckets[name] = await self._bus.jetstream.key_value(name)
        return self._buckets[name]

    def _failed(self, bucket: str, error: BaseException) -> None:
        metrics.REGISTRY_ERRORS.labels(bucket).inc()
        log.warning("registry is away", extra=logs.fields(bucket=bucket, error=type(error).__name__))
