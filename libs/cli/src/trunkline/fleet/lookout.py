"""Listens to heartbeats: long enough that everybody who lives has been heard."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Final

from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus
from common.messages.heartbeat import Heartbeat
from trunkline.fleet.roster import Roster
from trunkline.stack import state_file

LISTEN_S: Final = 0.6
"""Three heartbeats of the slowest kind."""


async def look_around(bus: Bus) -> Roster:
    """Everybody heard of within `LISTEN_S`."""
    roster = Roster(names_here(), socket.gethostname())

    def hear(message: Msg) -> None:
        roster.feed(Heartbeat.decode(message.data))

    stop = await bus.subscribe(subjects.ALL_HEARTBEATS, hear)
    await asyncio.sleep(LISTEN_S)
    await stop()
    return roster


def names_here() -> Mapping[int, str]:
    """What the stack that runs here calls its processes, by process id."""
    state = state_file.running()
    return {pid: name for name, pid in state.pids.items()} if state else {}
