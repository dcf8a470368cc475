"""`trunkline messages`: what callers left behind when no model could be had."""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from common import left_messages
from common.left_messages import LeftMessage, Listing
from trunkline.output import Output, columns
from trunkline.stack import environment

_HEADER: Final = ("ID", "WHEN", "PROFILE", "CALLER", "LENGTH", "FILE")
_SHOWN_DIGITS: Final = 4


@click.group(invoke_without_command=True)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help=f"where they are  [default: FALLBACK_MESSAGES, else {left_messages.DEFAULT_DIRECTORY}]",
)
@click.option("--show-numbers", is_flag=True, help="show callers' whole numbers")
@click.option("--json", "as_json", is_flag=True, help="print JSON lines")
@click.pass_context
def messages(context: click.Context, directory: Path | None, show_numbers: bool, as_json: bool) -> int:
    """List recorded messages and wishes to be called back, the newest first.

    It looks into a directory of this machine; replicas on other machines keep their own unless they share one.
    """
    context.obj = directory
    if context.invoked_subcommand is None:
        where = _directory(directory)
        _show(left_messages.read_all(where), where, Output(as_json=as_json), show_numbers=show_numbers)
    return 0


@messages.command()
@click.argument("message_id", metavar="ID")
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="where it is  [as for the list]")
@click.pass_context
def delete(context: click.Context, message_id: str, directory: Path | None) -> int:
    """Delete one with its recording, for good."""
    left_messages.delete(_directory(directory or context.obj), message_id)
    Output().say(f"deleted {message_id}")
    return 0


def _directory(given: Path | None) -> Path:
    if given is not None:
        return given
    values = environment.read(os.environ, Path(".env"), is_required=False)
    return Path(values.get("FALLBACK_MESSAGES") or left_messages.DEFAULT_DIRECTORY)


def _show(listing: Listing, directory: Path, output: Output, *, show_numbers: bool) -> None:
    for message in listing.messages:
        output.event("message", _as_json(message, directory, show_numbers=show_numbers))
    for path in listing.unreadable:
        output.event("unreadable", {"file": str(path)})
    if listing.messages:
        rows = [_row(message, directory, show_numbers=show_numbers) for message in listing.messages]
        for line in columns(_HEADER, rows):
            output.say(line)
    else:
        output.say(f"no messages in {directory}")
    if listing.unreadable:
        names = ", ".join(path.name for path in listing.unreadable)
        output.say(f"cannot be read: {names}", "yellow")


def _as_json(message: LeftMessage, directory: Path, *, show_numbers: bool) -> dict[str, object]:
    audio = message.audio_path(directory)
    shown = message.model_dump(mode="json", exclude={"caller_number"})
    number = _number(message.caller_number, show_numbers=show_numbers)
    return {**shown, "caller_number": number, "file": str(audio) if audio else ""}


def _row(message: LeftMessage, directory: Path, *, show_numbers: bool) -> tuple[str, ...]:
    number = _number(message.caller_number, show_numbers=show_numbers) or "withheld"
    when = _local(message.left_at)
    audio = message.audio_path(directory)
    if audio is None:
        return (message.message_id, when, message.profile, number, "", "wants to be called back")
    there = str(audio) if audio.is_file() else "the recording is gone"
    return (message.message_id, when, message.profile, number, f"{message.duration_ms / 1_000:.1f} s", there)


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _number(number: str, *, show_numbers: bool) -> str:
    """Who it was, as far as the reader should see. Carriers' words are not trusted with the terminal."""
    printable = "".join(character for character in number if character.isprintable())
    if show_numbers or not printable:
        return printable
    return f"…{printable[-_SHOWN_DIGITS:]}" if len(printable) > _SHOWN_DIGITS else "…"
