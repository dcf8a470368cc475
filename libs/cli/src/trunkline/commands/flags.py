"""`trunkline flags`: which calls start in realtime, shown and changed while the fleet runs."""

import asyncio
from collections.abc import Mapping
from typing import Final

import click

from common.bus.flag_bucket import FlagEntry
from common.errors import ConfigError
from common.flags import FALLBACK_ENABLED, FLAGS, REALTIME_ENABLED, ROLLOUT, check_name, parse, written
from trunkline.fleet import flags as fleet
from trunkline.fleet import reach
from trunkline.fleet.flags import FlagChange
from trunkline.fleet.options import on_the_bus
from trunkline.output import Output, columns

_FIRST_VALUES: Final = {
    REALTIME_ENABLED: "REALTIME_ENABLED",
    ROLLOUT: "REALTIME_ROLLOUT_PERCENTAGE",
    FALLBACK_ENABLED: "REALTIME_FALLBACK_ENABLED",
}
"""What an edge goes by while a flag is not set."""
_CHANGES_SHOWN: Final = 20
_TEXT_SHOWN: Final = 40


@click.group()
def flags() -> None:
    """Show which calls start in realtime and which on the fallback pipeline, or change it.

    \b
    realtime.enabled            false: every new call starts on the fallback pipeline
    realtime.rollout            percentage of calls that start in realtime (0: none, 100: all)
    realtime.rollout.PROFILE    the same for one agent, over the general one
    fallback.enabled            false: no call goes to the fallback service
    """


@flags.command()
@on_the_bus
def show(nats_url: str | None, as_json: bool) -> int:
    """How the flags stand, and how they stood before."""
    output = Output(as_json=as_json)
    now, before = asyncio.run(_read(reach.nats_url(nats_url)))
    _show_standing(now, output)
    _show_changes(before, output)
    return 0


@flags.command("set")
@click.argument("name")
@click.argument("value")
@on_the_bus
def set_flag(name: str, value: str, nats_url: str | None, as_json: bool) -> int:
    """Give the flag NAME a VALUE: running calls stay where they are, new ones go by it within seconds."""
    text = written(parse(name, value))
    return _change(name, text, nats_url, Output(as_json=as_json))


@flags.command()
@click.argument("name")
@on_the_bus
def unset(name: str, nats_url: str | None, as_json: bool) -> int:
    """Take the flag NAME away: each edge goes by its environment again."""
    check_name(name)
    return _change(name, None, nats_url, Output(as_json=as_json))


def _change(name: str, text: str | None, nats_url: str | None, output: Output) -> int:
    changed = asyncio.run(_write(reach.nats_url(nats_url), name, text))
    is_new = changed.before != changed.after
    output.event("flag_changed" if is_new else "flag_unchanged", _fields(changed))
    if is_new:
        output.say(f"{name}: {_shown(changed.before)} → {_shown(changed.after)}", "green")
    else:
        output.say(f"{name} is {_shown(changed.after)} already")
    return 0


async def _read(url: str) -> tuple[dict[str, FlagEntry], tuple[FlagEntry, ...]]:
    async with reach.connected(url) as bus:
        return await fleet.read(bus), await fleet.history(bus)


async def _write(url: str, name: str, text: str | None) -> FlagChange:
    async with reach.connected(url) as bus:
        return await fleet.change(bus, name, text)


def _show_standing(now: Mapping[str, FlagEntry], output: Output) -> None:
    further = sorted(name for name, entry in now.items() if name not in FLAGS and entry.text is not None)
    rows: list[tuple[str, ...]] = []
    for name in (*FLAGS, *further):
        entry = now.get(name)
        is_set = entry is not None and entry.text is not None
        text, at = (entry.text, entry.at) if entry and is_set else (None, None)
        output.event("flag", {"name": name, "value": text, "set_at": at})
        rows.append((name, _shown(text), _time(at or ""), _remark(name, text)))
    for line in columns(("FLAG", "VALUE", "SINCE", ""), rows):
        output.say(line)


def _show_changes(before: tuple[FlagEntry, ...], output: Output) -> None:
    recent = before[:_CHANGES_SHOWN]
    for each in recent:
        output.event("change", {"name": each.name, "value": each.text, "at": each.at})
    if not recent:
        return
    output.say("")
    for line in columns(("CHANGED", "FLAG", "TO"), [(_time(each.at), each.name, _shown(each.text)) for each in recent]):
        output.say(line, "dim")


def _remark(name: str, text: str | None) -> str:
    if text is None:
        return f"each edge goes by its {_FIRST_VALUES[name]}"
    try:
        parse(name, text)
    except ConfigError as error:
        return f"no edge goes by this: {error}"
    return (
        "every call belongs to realtime, whatever the others say" if (name, text) == (FALLBACK_ENABLED, "false") else ""
    )


def _fields(changed: FlagChange) -> dict[str, object]:
    return {"name": changed.name, "before": changed.before, "after": changed.after}


def _shown(text: str | None) -> str:
    """A value as it can be printed, whatever somebody has put there."""
    if text is None:
        return "not set"
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[:_TEXT_SHOWN])
    return f"{clean}…" if len(text) > _TEXT_SHOWN else clean


def _time(at: str) -> str:
    """To the second."""
    return f"{at[:19]}Z" if at else ""
