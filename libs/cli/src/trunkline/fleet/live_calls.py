"""The calls that run, as the registry knows them."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from nats.errors import Error as NatsError
from nats.js.errors import BucketNotFoundError

from common import subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, UpstreamUnavailable
from edge.registry import CallEntry
from trunkline.fleet.roster import Roster

_WITHIN_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One call as it was last noted."""

    call_id: str
    entry: CallEntry

    def as_json(self, roster: Roster) -> dict[str, Any]:
        """For machines; `…_is_alive` tells whether that process sends heartbeats."""
        entry = self.entry
        return {
            "call_id": self.call_id,
            "edge_id": entry.edge_id,
            "edge_is_alive": roster.is_alive(entry.edge_id),
            "talker_id": entry.talker_id,
            "talker_is_alive": roster.is_alive(entry.talker_id),
            "epoch": entry.epoch,
            "service_level": entry.service_level,
            "home": entry.home,
            "profile": entry.profile,
        }


async def read(bus: Bus) -> list[LiveCall]:
    """Every call the registry holds as live. Raises `UpstreamUnavailable` saying what to do while KV is away."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            entries = await _everything(bus)
    except BucketNotFoundError:
        raise UpstreamUnavailable("there is no registry of calls on this bus: no edge has started there yet") from None
    except (NatsError, TimeoutError, OSError) as error:
        raise UpstreamUnavailable(
            "the registry of calls does not answer; calls go on without it. "
            "Try again in ten seconds; `trunkline ps` shows how many calls each edge carries"
        ) from error
    live = [LiveCall(call_id, entry) for call_id, entry in entries.items() if entry.state == "live"]
    return sorted(live, key=lambda call: call.call_id)


async def _everything(bus: Bus) -> dict[str, CallEntry]:
    bucket = await bus.jetstream.key_value(subjects.CALLS_BUCKET)
    watcher = await bucket.watchall(ignore_deletes=True)
    found: dict[str, CallEntry] = {}
    try:
        while (entry := await watcher.updates(timeout=_WITHIN_S)) is not None:  # type: ignore[no-untyped-call]
            try:
                found[entry.key] = CallEntry.decode(entry.value or b"")
            except RemoteProtocolError:
                continue  # of another version; what we cannot read we cannot show
    finally:
        await watcher.stop()  # type: ignore[no-untyped-call]
    return found
