"""Publishing instruction revisions: live to whoever talks, and kept by the stream for whoever will."""

import asyncio
from typing import Final

from nats.errors import Error as NatsError

from common import backoff, logs, metrics, subjects
from common.bus.connection import Bus
from common.bus.newest_instructions import newest_instructions
from common.errors import RemoteProtocolError
from common.messages.instructions import Instructions

log = logs.get("publishing")

_WITHIN_S: Final = 2.0


class Publisher:
    """Revisions of all calls this replica follows."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, revision: Instructions) -> None:
        """Until the stream has it; live readers hear it with the first attempt."""
        for wait in backoff.delays(0.25, 4.0):
            try:
                await self._bus.jetstream.publish(
                    subjects.instructions(revision.call_id),
                    revision.encode(),
                    timeout=_WITHIN_S,
                    headers=_once(revision),
                )
                metrics.REVISIONS_PUBLISHED.inc()
                return
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("a revision is not kept yet", extra=logs.fields(error=type(error).__name__))
                await asyncio.sleep(wait)

    async def repeat(self, revision: Instructions) -> None:
        """Say it again to live readers only: one may have been away from the bus."""
        await self._bus.publish(subjects.instructions(revision.call_id), revision.encode(), headers=_once(revision))

    async def newest(self, call_id: str) -> int:
        """The newest revision the stream has of a call; 0: none that can be read. Raises `UpstreamUnavailable`."""
        try:
            found = await newest_instructions(self._bus, call_id, _WITHIN_S)
        except RemoteProtocolError:
            metrics.BUS_REJECTS.labels("malformed").inc()
            return 0
        return 0 if found is None else found.revision


def _once(revision: Instructions) -> dict[str, str]:
    """The stream keeps the first of several that are the same."""
    return {"Nats-Msg-Id": f"{revision.call_id}:{revision.revision}"}
