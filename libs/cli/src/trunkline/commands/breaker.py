"""`trunkline breaker`: how the providers' breakers stand, and an operator's word on them."""

import asyncio

import click

from common.bus.connection import Bus
from common.errors import TrunklineError
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerState
from trunkline.fleet import breakers, reach
from trunkline.fleet.options import on_the_bus
from trunkline.output import Output, columns

_HEADER = ("PROVIDER", "MODEL", "STATE", "MODE", "SHARE", "WHY", "FAILED", "CHANGED")


@click.group()
def breaker() -> None:
    """Show the breakers, or decide for one: `open` keeps new calls away from a provider, `auto` gives it back."""


@breaker.command()
@on_the_bus
def show(nats_url: str | None, as_json: bool) -> int:
    """How every breaker stands now."""
    output = Output(as_json=as_json)
    _show(asyncio.run(_ask(reach.nats_url(nats_url))), output)
    return 0


def _order(name: str, mode: BreakerMode, about: str) -> None:
    @breaker.command(name, help=about)
    @click.option("--provider", default="", help="the breaker of this endpoint; needed if there are several")
    @click.option("--model", default="", help="the breaker of this model; needed if there are several")
    @on_the_bus
    def order(provider: str, model: str, nats_url: str | None, as_json: bool) -> int:
        output = Output(as_json=as_json)
        _show(asyncio.run(_decide(reach.nats_url(nats_url), provider, model, mode)), output)
        return 0


_order("open", BreakerMode.OPEN, "Keep new calls away from the provider, until `auto`.")
_order("close", BreakerMode.CLOSED, "Trust the provider, whatever happens, until `auto`.")
_order("auto", BreakerMode.AUTO, "Let the breaker decide by itself again.")


async def _ask(url: str) -> tuple[BreakerStanding, ...]:
    async with reach.connected(url) as bus:
        return await breakers.ask(bus)


async def _decide(url: str, provider: str, model: str, mode: BreakerMode) -> tuple[BreakerStanding, ...]:
    async with reach.connected(url) as bus:
        return await breakers.order(bus, await _the_one(bus, provider, model), mode)


async def _the_one(bus: Bus, provider: str, model: str) -> BreakerStanding:
    known = await breakers.ask(bus)
    found = [each for each in known if provider in ("", each.provider) and model in ("", each.model)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(sorted(f"{each.provider} {each.model}" for each in known))
    there = there or "none yet: no attempt at a provider was seen"
    raise TrunklineError(f"which breaker? Name one with --provider and --model; there are: {there}")


def _show(standings: tuple[BreakerStanding, ...], output: Output) -> None:
    for each in standings:
        output.event("breaker", each.model_dump(mode="json", exclude={"version"}))
    if not standings:
        output.say("No breakers yet: no attempt at a provider was seen.", "dim")
        return
    header, *rows = columns(_HEADER, [_row(each) for each in standings])
    output.say(header)
    for each, row in zip(standings, rows, strict=True):
        output.say(row, "" if each.state is BreakerState.CLOSED and each.share == 1 else "yellow")


def _row(each: BreakerStanding) -> tuple[str, ...]:
    failed = f"{each.failures} of {each.attempts}"
    why = each.reason or ""
    return (each.provider, each.model, each.state, each.mode, f"{each.share:.0%}", why, failed, each.changed_at)
