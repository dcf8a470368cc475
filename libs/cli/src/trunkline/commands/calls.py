"""`trunkline calls`: the calls that run."""

import asyncio

import click

from trunkline.fleet import live_calls, lookout, reach
from trunkline.fleet.live_calls import LiveCall
from trunkline.fleet.options import on_the_bus
from trunkline.fleet.roster import Roster
from trunkline.output import Output, columns

_HEADER = ("CALL", "EDGE", "TALKER", "EPOCH", "LEVEL", "PROFILE")


@click.command()
@on_the_bus
def calls(nats_url: str | None, as_json: bool) -> int:
    """Show every live call the registry knows: who carries it, who talks, in which epoch, at which service level.

    The registry is written beside the calls, so it may lag behind them by a moment.
    """
    output = Output(as_json=as_json)
    running, roster = asyncio.run(_look(reach.nats_url(nats_url)))
    for call in running:
        output.event("call", call.as_json(roster))
    if not running:
        output.say("no live calls")
        return 0
    for line in columns(_HEADER, [_row(call, roster) for call in running]):
        output.say(line)
    return 0


async def _look(url: str) -> tuple[list[LiveCall], Roster]:
    async with reach.connected(url) as bus:
        running = await live_calls.read(bus)
        return running, await lookout.look_around(bus)


def _row(call: LiveCall, roster: Roster) -> tuple[str, ...]:
    entry = call.entry
    edge, talker = (_marked(process_id, roster) for process_id in (entry.edge_id, entry.talker_id))
    return (call.call_id, edge, talker, str(entry.epoch or ""), f"L{entry.service_level}", entry.profile)


def _marked(process_id: str, roster: Roster) -> str:
    """A process that was lost is marked: its call is being brought back, or has ended with it."""
    if not process_id or roster.is_alive(process_id):
        return process_id
    return f"{process_id} (gone)"
