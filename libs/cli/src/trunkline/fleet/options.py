"""The options every command has that speaks to a running bus."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--nats-url", help="where the bus is  [default: the stack running here, else NATS_URL]"),
    click.option("--json", "as_json", is_flag=True, help="print JSON lines"),
)


def on_the_bus(command: Command) -> Command:
    """`--nats-url` and `--json`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
