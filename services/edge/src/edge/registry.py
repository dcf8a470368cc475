"""The registry of calls and the spent nonces, in KV: helpful when there, never waited for long, never needed."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from pydantic import Field

from common import backoff, logs, metrics, subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, SecurityError, UpstreamUnavailable
from common.messages.base import Message
from common.messages.commands import EndReason
from common.subjects import Pool

log = logs.get("registry")

CLAIM_WITHIN_S: Final = 0.3
"""A caller waits for this."""
_WRITE_WITHIN_S: Final = 1.0
_SCAN_STEP_WITHIN_S: Final = 5.0
_REMEMBERED: Final = 10_000
_SAID_EVERY_S: Final = 10.0

V = TypeVar("V")


class CallEntry(Message):
    """What any edge may need to know of a call."""

    edge_id: str
    state: Literal["live", "ended"]
    profile: str
    epoch: int = Field(0, ge=0)
    talker_id: str = ""
    end_reason: EndReason | None = None
    has_record: bool = False
    """The ended call's record is written; until then another edge may have to."""
    home: Pool = "realtime"
    """Where the call belongs."""
    service_level: int = Field(0, ge=0, le=4)
    transfer_to: str = ""
    """Whom the carrier is to dial for the caller, or dials: a name of the profile's `transfers`."""
    summary: str = Field("", max_length=1_000)
    """What that human is told before the caller is there. Spoken words: kept no longer than the transfer lasts."""
    transfer_within_s: int = Field(0, ge=0)
    """How long the carrier may take until it has told how that went."""


@dataclass(frozen=True)
class Held:
    """What the registry holds of a call, and the revision it stands at."""

    entry: CallEntry
    revision: int


Claim: TypeAlias = Literal["ours", "away"] | Held
"""`ours`: nobody had the call, or we were first. `away`: KV did not answer. `Held`: who has it."""


class Registry:
    """This edge's view of the buckets `calls` and `nonces`. Keep `run` running: it writes what was noted."""

    def __init__(self, bus: Bus, edge_id: str, carries: Callable[[str], bool], on_lost: Callable[[str], None]) -> None:
        """`carries`: whether the call is (still) here; `on_lost`: another edge has taken a call that is here."""
        self._bus = bus
        self._edge_id = edge_id
        self._carries = carries
        self._on_lost = on_lost
        self._buckets: dict[str, KeyValue] = {}
        self._spent_here: OrderedDict[str, None] = OrderedDict()
        self._noted_here: OrderedDict[str, CallEntry] = OrderedDict()
        self._revisions: OrderedDict[str, int] = OrderedDict()
        self._unwritten: OrderedDict[str, CallEntry] = OrderedDict()
        self._wake = asyncio.Event()
        self._said_at = -_SAID_EVERY_S

    # --- asked while a caller waits ---------------------------------------------------------------------------------

    async def spend(self, nonce: str) -> None:
        """Use a nonce up. Raises `SecurityError` if it was used before, by any edge. Without KV, by this one."""
        if nonce in self._spent_here:
            raise SecurityError("replayed_token", "the stream's token was used before")
        _remember(self._spent_here, nonce, None)
        if await self.is_first(nonce) is False:
            raise SecurityError("replayed_token", "the stream's token was used before")

    async def is_first(self, mark: str) -> bool | None:
        """Set a mark that only one edge can set, for two minutes. False: another did; None: KV is away."""
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                await (await self._bucket(subjects.NONCES_BUCKET)).create(mark, b"")
        except KeyWrongLastSequenceError:
            return False
        except (NatsError, TimeoutError, OSError) as error:
            self._failed(subjects.NONCES_BUCKET, error)
            return None
        return True

    async def claim(self, call_id: str, entry: CallEntry, over: Held | None = None) -> Claim:
        """Enter a call as ours, by compare-and-set, so of two edges one wins.

        `over`: the entry found before, whose edge turned out to carry the call no longer. When KV is away the call may
        go on here all the same: nothing live waits for it, and what is noted later settles whose it is.
        """
        self._unwritten.pop(call_id, None)  # of a life before, and out of date with this claim
        self._revisions.pop(call_id, None)
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                bucket = await self._bucket(subjects.CALLS_BUCKET)
                try:
                    revision = await bucket.update(call_id, entry.encode(), last=over.revision if over else 0)
                except KeyWrongLastSequenceError:
                    found = await bucket.get(call_id)
                    return Held(CallEntry.decode(found.value or b""), found.revision or 0)
        except (NatsError, TimeoutError, OSError, RemoteProtocolError) as error:
            self._failed(subjects.CALLS_BUCKET, error)
            return "away"
        _remember(self._revisions, call_id, revision)
        _remember(self._noted_here, call_id, entry)
        return "ours"

    async def look_up(self, call_id: str) -> CallEntry | None:
        """What is known of a call; None if nothing. Without KV: what this edge noted of it.

        Raises `UpstreamUnavailable` when KV is away and the call was never ours.
        """
        if call_id in self._unwritten:
            return self._unwritten[call_id]
        try:
            found = await self.read(call_id)
        except UpstreamUnavailable:
            if call_id in self._noted_here:
                return self._noted_here[call_id]
            raise
        return found.entry if found else None

    async def read(self, call_id: str) -> Held | None:
        """What KV holds of a call. Raises `UpstreamUnavailable` when it is away or holds what we cannot read."""
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                return await self._get(await self._bucket(subjects.CALLS_BUCKET), call_id)
        except (NatsError, TimeoutError, OSError) as error:
            self._failed(subjects.CALLS_BUCKET, error)
            raise UpstreamUnavailable("the registry is away") from error
        except RemoteProtocolError as error:
            self._failed(subjects.CALLS_BUCKET, error)
            raise UpstreamUnavailable("the registry holds an entry we cannot read") from error

    async def amend(self, call_id: str, held: Held, **changes: object) -> bool:
        """Change the entry of an edge that does not answer. False if somebody was faster, or KV is away."""
        entry = held.entry.model_copy(update=changes)
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                bucket = await self._bucket(subjects.CALLS_BUCKET)
                await bucket.update(call_id, entry.encode(), last=held.revision)
        except KeyWrongLastSequenceError:
            metrics.KV_CAS_CONFLICTS.inc()
            return False
        except (NatsError, TimeoutError, OSError) as error:
            self._failed(subjects.CALLS_BUCKET, error)
            return False
        return True

    # --- written when there is time ---------------------------------------------------------------------------------

    def note(self, call_id: str, entry: CallEntry) -> None:
        """Have what is known of a call written soon. Of several entries for one call the newest is written."""
        _remember(self._noted_here, call_id, entry)
        _remember(self._unwritten, call_id, entry)
        metrics.REGISTRY_UNWRITTEN.set(len(self._unwritten))
        self._wake.set()

    def recorded(self, call_id: str) -> None:
        """Note that an ended call has its record: no other edge need write one."""
        entry = self._noted_here.get(call_id)
        if entry is not None and entry.state == "ended":
            self.note(call_id, entry.model_copy(update={"has_record": True}))

    async def run(self) -> None:
        """Write what is noted, until cancelled; as long as KV is away, try again and again."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._write_all()

    async def written(self, call_id: str, timeout_s: float) -> None:
        """Wait until what was noted of a call is written, or the time is up."""
        deadline = time.monotonic() + timeout_s
        while call_id in self._unwritten and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    async def settle(self, timeout_s: float) -> None:
        """Wait until everything noted is written, or the time is up."""
        deadline = time.monotonic() + timeout_s
        while self._unwritten and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    async def _write_all(self) -> None:
        waits = backoff.delays(0.1, 2.0)
        while self._unwritten:
            call_id, entry = next(iter(self._unwritten.items()))
            try:
                async with asyncio.timeout(_WRITE_WITHIN_S):
                    await self._write(await self._bucket(subjects.CALLS_BUCKET), call_id, entry)
                waits = backoff.delays(0.1, 2.0)
            except (NatsError, TimeoutError, OSError) as error:
                self._failed(subjects.CALLS_BUCKET, error)
                if call_id in self._unwritten:
                    self._unwritten.move_to_end(call_id)
                await asyncio.sleep(next(waits))
            metrics.REGISTRY_UNWRITTEN.set(len(self._unwritten))

    async def _write(self, bucket: KeyValue, call_id: str, entry: CallEntry) -> None:
        """Write over the entry we know, and over no other."""
        if entry.state == "live" and not self._carries(call_id):
            self._done(call_id, entry)  # given to another edge meanwhile, which has entered it as its own
            return
        known = self._revisions.get(call_id, 0)
        try:
            revision = await bucket.update(call_id, entry.encode(), last=known)
        except KeyWrongLastSequenceError:
            metrics.KV_CAS_CONFLICTS.inc()
            await self._conflict(bucket, call_id, entry)
            return
        _remember(self._revisions, call_id, revision)
        self._done(call_id, entry)

    async def _conflict(self, bucket: KeyValue, call_id: str, entry: CallEntry) -> None:
        """Somebody wrote what we do not know of: it was ourselves, or the call has moved, or theirs is out of date."""
        known = self._revisions.get(call_id, 0)
        try:
            found = await self._get(bucket, call_id)
        except RemoteProtocolError:  # what nobody can read is nobody's
            found = Held(entry, (await bucket.get(call_id)).revision or 0)
        if found is None and known:
            del self._revisions[call_id]  # it has aged out
        elif found is None or found.revision <= known:
            raise ConnectionError("the answer came from a replica that is behind")
        elif not self._is_theirs(found.entry, entry, is_known=known > 0):
            _remember(self._revisions, call_id, found.revision)
        else:
            self._done(call_id, entry)
            if self._carries(call_id):
                self._on_lost(call_id)

    def _is_theirs(self, found: CallEntry, ours: CallEntry, *, is_known: bool) -> bool:
        """True if another edge goes on with the call.

        After an entry of ours it can only have claimed the call from us. Where our own claim never reached KV, epochs
        tell which of the two is newer: whoever takes a call goes on above the highest epoch it had.
        """
        if found.edge_id == self._edge_id or found.state == "ended":
            return False
        return is_known or found.epoch >= ours.epoch

    def _done(self, call_id: str, entry: CallEntry) -> None:
        if self._unwritten.get(call_id) is entry:
            del self._unwritten[call_id]

    # --- every call at once -----------------------------------------------------------------------------------------

    async def unfinished(self) -> dict[str, Held]:
        """Every call that has no record yet, by call id, in one pass. Raises `UpstreamUnavailable` when KV is away.

        Cancelled, it ends when the pass has: nats-py leaves tasks behind when a watcher is cut off while it begins.
        """
        scan = asyncio.create_task(self._scan())
        try:
            return await asyncio.shield(scan)
        except asyncio.CancelledError:
            await asyncio.wait({scan})
            raise

    async def _scan(self) -> dict[str, Held]:
        found: dict[str, Held] = {}
        try:
            bucket = await self._bucket(subjects.CALLS_BUCKET)
            watcher = await bucket.watchall(ignore_deletes=True, inactive_threshold=10)
            try:
                while each := await watcher.updates(timeout=_SCAN_STEP_WITHIN_S):  # type: ignore[no-untyped-call]
                    held = _unfinished(each)
                    if held is not None:
                        found[each.key] = held
            finally:
                await watcher.stop()  # type: ignore[no-untyped-call]
        except (NatsError, TimeoutError, OSError) as error:
            self._failed(subjects.CALLS_BUCKET, error)
            raise UpstreamUnavailable("the registry is away") from error
        return found

    # ----------------------------------------------------------------------------------------------------------------

    async def _get(self, bucket: KeyValue, call_id: str) -> Held | None:
        try:
            found = await bucket.get(call_id)
        except KeyNotFoundError:
            return None
        return Held(CallEntry.decode(found.value or b""), found.revision or 0)

    async def _bucket(self, name: str) -> KeyValue:
        if not self._bus.is_connected:
            raise ConnectionError("the bus is away")  # nats-py would wait, and ask once it is back
        if name not in self._buckets:
            self._buckets[name] = await self._bus.jetstream.key_value(name)
        return self._buckets[name]

    def _failed(self, bucket: str, error: BaseException) -> None:
        """Counted each time; said once a while, since whatever is waiting to be written keeps trying."""
        metrics.REGISTRY_ERRORS.labels(bucket).inc()
        now = time.monotonic()
        if now - self._said_at >= _SAID_EVERY_S:
            self._said_at = now
            log.warning("registry is away", extra=logs.fields(bucket=bucket, error=type(error).__name__))


def _remember(things: OrderedDict[str, V], key: str, value: V) -> None:
    """Keep the newest `_REMEMBERED`."""
    things[key] = value
    if len(things) > _REMEMBERED:
        things.popitem(last=False)


def _unfinished(found: KeyValue.Entry) -> Held | None:
    """An entry whose call has no record yet. Most have: those are told by their bytes, without reading them."""
    value = found.value or b""
    if b'"has_record":true' in value:
        return None
    try:
        return Held(CallEntry.decode(value), found.revision or 0)
    except RemoteProtocolError:
        return None
