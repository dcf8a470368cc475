"""`trunkline handover`: another talker for one call."""

import asyncio

import click

from common.bus.connection import Bus
from common.errors import UpstreamUnavailable
from common.messages.commands import HandingOver
from trunkline.fleet import choice, live_calls, reach
from trunkline.fleet.options import on_the_bus
from trunkline.fleet.replacing import Replacement
from trunkline.output import Output, complain


@click.command()
@click.argument("call")
@click.option("--no-wait", is_flag=True, help="return as soon as the call's edge has taken the order")
@on_the_bus
def handover(call: str, no_wait: bool, nats_url: str | None, as_json: bool) -> int:
    """Replace the talker of CALL at the call's next quiet moment. The caller should not notice.

    CALL is its id as `trunkline calls` shows it, or the beginning of that.
    """
    output = Output(as_json=as_json)
    return asyncio.run(_hand_over(call, reach.nats_url(nats_url), output, waits=not no_wait))


async def _hand_over(typed: str, url: str, output: Output, *, waits: bool) -> int:
    async with reach.connected(url) as bus:
        replacement = Replacement(bus, await _call_id(typed, bus))
        taken = await replacement.ask()
        _say_taken(taken, output)
        if not waits:
            return 0
        changed = await replacement.wait(taken)
    output.event("handed_over", {"epoch": changed.epoch, "talker_id": changed.talker_id, "ms": changed.ready_after_ms})
    took = f"{changed.ready_after_ms / 1000:.1f} s after it was wanted"
    output.say(f"epoch {changed.epoch}: {changed.talker_id} talks, {took}", "green")
    return 0


async def _call_id(typed: str, bus: Bus) -> str:
    """The registry helps with the beginning of an id; without it the edges are asked for what was typed."""
    try:
        known = [call.call_id for call in await live_calls.read(bus)]
    except UpstreamUnavailable as error:
        complain(f"{error}. Asking the edges for {typed!r} as it stands")
        return typed
    return choice.the_one(typed, known, "live call", "calls")


def _say_taken(taken: HandingOver, output: Output) -> None:
    output.event("handing_over", taken.model_dump(mode="json", exclude={"version"}))
    now = f"{taken.talker_id} talks in epoch {taken.epoch}" if taken.talker_id else "nobody talks now"
    output.say(f"{taken.edge_id} seeks another talker ({now}); it changes at the next quiet moment, within a minute")
