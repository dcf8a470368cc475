"""`trunkline doctor`: is this machine ready, and what to do where it is not."""

import asyncio
import os
from pathlib import Path

import click
from rich.text import Text

from trunkline.output import Output
from trunkline.stack import environment
from trunkline.stack.finding import Finding, Level

_STYLES = {Level.OK: "green", Level.NOTE: "yellow", Level.WRONG: "bold red"}


@click.command()
@click.option("--env-file", type=click.Path(path_type=Path), help="settings beneath the environment  [default: .env]")
@click.option("--json", "as_json", is_flag=True, help="print JSON lines")
def doctor(env_file: Path | None, as_json: bool) -> int:
    """Check this machine and its settings, and say what to do. Exit code 1 if something must be done.

    It looks from here only: whether Twilio and OpenAI accept the settings, only a call can tell.
    """
    from trunkline.stack import doctor as checks  # it loads the services, which no other command needs

    values = environment.read(os.environ, env_file or Path(".env"), is_required=env_file is not None)
    output = Output(as_json=as_json)
    findings = asyncio.run(checks.examine(values))
    for finding in findings:
        _show(finding, output)
    return 1 if any(finding.level is Level.WRONG for finding in findings) else 0


def _show(finding: Finding, output: Output) -> None:
    output.event(
        "finding", {"about": finding.about, "level": str(finding.level), "text": finding.text, "do": finding.do}
    )
    line = Text(f"{finding.level:<5}  ", style=_STYLES[finding.level])
    line.append(f"{finding.about}: {finding.text}")
    if finding.do:
        line.append(f"\n       → {finding.do}", style="bold")
    output.line(line)
