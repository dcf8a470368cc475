"""`trunkline ps`: the processes that live."""

import asyncio

import click

from common.errors import UpstreamUnavailable
from trunkline.fleet import lookout, reach
from trunkline.fleet.options import on_the_bus
from trunkline.fleet.roster import Member, Roster
from trunkline.output import Output, columns
from trunkline.stack import state_file

_HEADER = ("NAME", "PROCESS", "KIND", "HOST", "PID", "CALLS", "OF", "STATE", "LAG")


@click.command()
@on_the_bus
def ps(nats_url: str | None, as_json: bool) -> int:
    """Show every process that sends heartbeats: what it carries, could carry, and how late its loop runs.

    Under `trunkline up` it shows their names, and what the stack stands on as well.
    """
    url = reach.nats_url(nats_url)
    output = Output(as_json=as_json)
    roster = asyncio.run(_look(url))
    _show(roster, output)
    _show_foundation(url, roster, output)
    return 0


async def _look(url: str) -> Roster:
    async with reach.connected(url) as bus:
        roster = await lookout.look_around(bus)
    if not roster.members:
        raise UpstreamUnavailable(
            "NATS answers, but no process gave a sign of life: start the services, or wait for them"
        )
    return roster


def _show(roster: Roster, output: Output) -> None:
    for member in roster.members:
        output.event("process", member.as_json())
    for line in columns(_HEADER, [_row(member) for member in roster.members]):
        output.say(line, "yellow" if "draining" in line else "")


def _row(member: Member) -> tuple[str, ...]:
    beat = member.beat
    numbers = (str(beat.pid or ""), str(beat.calls), str(beat.capacity))
    return (member.name, beat.process_id, beat.kind, beat.host, *numbers, member.state, f"{beat.loop_lag_ms} ms")


def _show_foundation(url: str, roster: Roster, output: Output) -> None:
    """Processes of the stack here that send no heartbeats: they can die as well."""
    state = state_file.running()
    if state is None or state.nats_url != url:
        return
    heard = {member.name for member in roster.members}
    silent = {name: pid for name, pid in state.pids.items() if name not in heard}
    for name, pid in silent.items():
        output.event("silent_process", {"name": name, "pid": pid})
    if silent:
        output.say("Without heartbeats: " + ", ".join(f"{name} ({pid})" for name, pid in silent.items()), "dim")
