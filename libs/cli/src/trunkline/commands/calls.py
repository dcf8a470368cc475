"""`trunkline calls`: the calls that run, those that were, and everything about one."""

import asyncio
from typing import Final

import click

from common.errors import ConfigError
from trunkline.fleet import live_calls, lookout, reach, recorded_calls, records
from trunkline.fleet.following import CallWatch
from trunkline.fleet.live_calls import LiveCall
from trunkline.fleet.options import on_the_bus
from trunkline.fleet.records import Records
from trunkline.fleet.roster import Roster
from trunkline.fleet.showing import Shown, show
from trunkline.output import Output

_HEADER: Final = ("CALL", "EDGE", "TALKER", "EPOCH", "LEVEL", "PROFILE")


@click.command()
@click.argument("call_id", metavar="[CALL]", required=False)
@click.option("--live", is_flag=True, help="only those that run, as the registry on the bus has them")
@click.option("--follow", is_flag=True, help="go on showing: what happens in CALL, or the list when it changes")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="how many")
@click.option("--profile", help="only calls of this agent profile")
@click.option("--caller", help="only calls of this number")
@click.option("--numbers", is_flag=True, help="show whole numbers")
@click.option("--erase-caller", metavar="NUMBER", help="delete the words and numbers of this caller's calls, for good")
@click.option("--yes", is_flag=True, help="do not ask whether to delete")
@click.option("--url", help="where the orchestrator's API is  [default: this machine, ORCHESTRATOR_PORT]")
@on_the_bus
def calls(
    call_id: str | None,
    live: bool,
    follow: bool,
    limit: int,
    profile: str | None,
    caller: str | None,
    numbers: bool,
    erase_caller: str | None,
    yes: bool,
    url: str | None,
    nats_url: str | None,
    as_json: bool,
) -> int:
    """List calls, the newest first, or show everything about CALL.

    With ORCHESTRATOR_API_KEY set these are the orchestrator's records, of calls that run and of those that were.
    Without it, and with --live: the calls that run, with who carries them and who talks. The registry they are
    read from is written beside the calls, so it may lag behind them by a moment.
    """
    output = Output(as_json=as_json)
    if erase_caller is not None:
        return _erase(records.needed(url), erase_caller, output, is_sure=yes)
    if call_id is not None:
        return _show_one(records.needed(url), call_id, output, numbers, reach.nats_url(nats_url) if follow else None)
    found = None if live else records.find(url)
    if found is None:
        _refuse_filters(profile, caller)
        return _live(reach.nats_url(nats_url), output, follows=follow)
    query = {"limit": str(limit), "profile": profile, "caller": caller}
    return _list(found, {name: value for name, value in query.items() if value}, output, numbers, follows=follow)


def _refuse_filters(profile: str | None, caller: str | None) -> None:
    if profile or caller:
        raise ConfigError("--profile and --caller choose among records: set ORCHESTRATOR_API_KEY and leave --live out")


def _list(source: Records, query: dict[str, str], output: Output, numbers: bool, *, follows: bool) -> int:
    def look() -> Shown:
        page = source.page(query)
        return Shown(
            [recorded_calls.as_json(call, shows_numbers=numbers) for call in page.calls],
            recorded_calls.HEADER,
            [recorded_calls.row(call, shows_numbers=numbers) for call in page.calls],
            "no calls recorded",
            "there are more: --limit shows up to 200, --profile and --caller choose" if page.next_cursor else "",
        )

    return show(look, output, follows=follows)


def _show_one(source: Records, call_id: str, output: Output, numbers: bool, follow_at: str | None) -> int:
    if follow_at is not None:
        return asyncio.run(_follow(source, call_id, output, numbers, follow_at))
    _print_record(source, call_id, output, numbers)
    return 0


def _print_record(source: Records, call_id: str, output: Output, numbers: bool) -> bool:
    """True if the call still runs."""
    call = source.record(call_id)
    output.event("call", recorded_calls.as_json(call, shows_numbers=numbers))
    for line in recorded_calls.lines(call, shows_numbers=numbers):
        output.say(line)
    return call.is_live


async def _follow(source: Records, call_id: str, output: Output, numbers: bool, nats_url: str) -> int:
    """What is recorded so far, then what happens; listening begins first, so that nothing falls between."""
    async with reach.connected(nats_url) as bus:
        watch = CallWatch(bus, call_id)
        await watch.start()
        if await asyncio.to_thread(_print_record, source, call_id, output, numbers):
            await watch.show(output)
    return 0


def _erase(source: Records, number: str, output: Output, *, is_sure: bool) -> int:
    if not is_sure:
        click.confirm("Delete all words and numbers of this caller's calls, for good?", abort=True, err=True)
    erased = source.erase_caller(number).calls
    output.event("erased", {"calls": erased})
    output.say(f"deleted the words and numbers of {erased} call{'' if erased == 1 else 's'}")
    return 0


def _live(url: str, output: Output, *, follows: bool) -> int:
    def look() -> Shown:
        running, roster = asyncio.run(_look(url))
        events = [call.as_json(roster) for call in running]
        return Shown(events, _HEADER, [_row(call, roster) for call in running], "no live calls")

    return show(look, output, follows=follows)


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
