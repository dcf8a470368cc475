"""`trunkline drain`: empty one process and let it end."""

import asyncio

import click

from common.errors import TrunklineError
from trunkline.fleet import lookout, reach
from trunkline.fleet.draining import Drainage
from trunkline.fleet.options import on_the_bus
from trunkline.fleet.roster import Member
from trunkline.output import Output

_DRAINED = ("edge", "realtime_worker", "fallback")


@click.command()
@click.argument("process")
@click.option(
    "--move", is_flag=True, help="edges: bring the calls to other edges at quiet moments, do not wait for them"
)
@click.option("--no-wait", is_flag=True, help="return as soon as the order is taken")
@on_the_bus
def drain(process: str, move: bool, no_wait: bool, nats_url: str | None, as_json: bool) -> int:
    """Let PROCESS take nothing new, give away what it carries, and end.

    PROCESS is its id as `trunkline ps` shows it, the beginning of that, its name under `trunkline up`, or its host. A
    worker hands every call over at its next quiet moment; an edge waits for its calls unless told to --move them.
    Ctrl-C ends the watching only. Exit code 1 if it ended without a farewell.
    """
    output = Output(as_json=as_json)
    try:
        return asyncio.run(_drain(process, reach.nats_url(nats_url), output, move=move, waits=not no_wait))
    finally:
        output.close()


async def _drain(process: str, url: str, output: Output, *, move: bool, waits: bool) -> int:
    async with reach.connected(url) as bus:
        member = (await lookout.look_around(bus)).find(process)
        _check(member, move=move)
        drainage = Drainage(bus, member)
        calls = await drainage.order(moves_calls=move)
        _say_taken(member, calls, output)
        return await _follow(member, drainage, output) if waits else 0


def _check(member: Member, *, move: bool) -> None:
    kind = member.beat.kind
    if kind not in _DRAINED:
        raise TrunklineError(f"{member.beat.process_id} carries no calls: end it with SIGTERM")
    if move and kind != "edge":
        raise click.UsageError("--move is for edges: workers always hand their calls over")


def _say_taken(member: Member, calls: int, output: Output) -> None:
    process_id = member.beat.process_id
    output.event("draining", {"process_id": process_id, "name": member.name, "calls": calls})
    output.say(f"{process_id} drains; {_in_words(calls)} to go")


async def _follow(member: Member, drainage: Drainage, output: Output) -> int:
    process_id = member.beat.process_id
    last = -1

    def show(calls: int) -> None:
        nonlocal last
        if calls != last:
            last = calls
            output.event("progress", {"process_id": process_id, "calls": calls})
            output.status(f"{process_id}: {_in_words(calls)} left")

    is_well = await drainage.follow(show)
    output.close()
    output.event("drained" if is_well else "lost", {"process_id": process_id})
    if not is_well:
        raise TrunklineError(f"{process_id} fell silent without a farewell: it died, and others take its calls over")
    output.say(f"{process_id} is empty and has ended", "green")
    return 0


def _in_words(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls} calls"
