"""The `trunkline` command: a group of commands, one file each under `commands/`."""

import click

from trunkline.commands.breaker import breaker
from trunkline.commands.call import call
from trunkline.commands.calls import calls
from trunkline.commands.demo import demo
from trunkline.commands.doctor import doctor
from trunkline.commands.drain import drain
from trunkline.commands.flags import flags
from trunkline.commands.handover import handover
from trunkline.commands.messages import messages
from trunkline.commands.ps import ps
from trunkline.commands.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trunkline-cli", prog_name="trunkline")
def cli() -> None:
    """Run Trunkline on this machine, call it, look at it."""


for command in (up, call, calls, ps, drain, handover, breaker, flags, messages, demo, doctor):
    cli.add_command(command)
