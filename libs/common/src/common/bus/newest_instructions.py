"""Reading back the newest revision of a call's instructions from the stream that keeps it."""

import asyncio

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from common import subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, UpstreamUnavailable
from common.messages.instructions import Instructions


async def newest_instructions(bus: Bus, call_id: str, within_s: float) -> Instructions | None:
    """The newest revision; None: there is none.

    Raises `UpstreamUnavailable` while JetStream is away, `RemoteProtocolError` if what is kept cannot be read or speaks
    of another call.
    """
    if not bus.is_connected:
        raise UpstreamUnavailable("the bus is away")
    try:
        async with asyncio.timeout(within_s):
            found = await bus.jetstream.get_last_msg(subjects.INSTRUCTIONS_STREAM, subjects.instructions(call_id))
    except NotFoundError:
        return None
    except (NatsError, OSError, TimeoutError) as error:
        raise UpstreamUnavailable(f"the stream of instructions: {type(error).__name__}") from error
    return instructions_of(call_id, found.data or b"")


def instructions_of(call_id: str, data: bytes) -> Instructions:
    """A revision of this call. Raises `RemoteProtocolError`."""
    told = Instructions.decode(data)
    if told.call_id != call_id:
        raise RemoteProtocolError("malformed message: instructions of another call")
    return told
