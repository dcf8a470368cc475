"""`trunkline up`: the whole stack in the foreground."""

import asyncio
import os
from pathlib import Path

import click

from common.errors import ConfigError
from trunkline import scenarios
from trunkline.output import Output
from trunkline.stack import environment as stack_environment
from trunkline.stack import plan, state_file
from trunkline.stack.environment import StackEnvironment
from trunkline.stack.foreground import Foreground
from trunkline.stack.logs import ProcessLogs

RUN_DIRECTORY = Path("build/run")
_DEFAULTS = {"LOG_FORMAT": "text", "REALTIME_WORKER_WARM_SESSIONS": "2"}
"""A person reads the logs; and who takes a call over should have a speech session open already."""


@click.command()
@click.option("--edges", type=click.IntRange(1, 16), default=1, show_default=True, help="edge processes")
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True, help="realtime workers")
@click.option("--fallbacks", type=click.IntRange(1, 16), default=1, show_default=True, help="fallback replicas")
@click.option("--orchestrators", type=click.IntRange(0, 16), default=1, show_default=True, help="orchestrators")
@click.option("--env-file", type=click.Path(path_type=Path), help="settings beneath the environment  [default: .env]")
@click.option("--json", "as_json", is_flag=True, help="print JSON lines; service logs go to standard error")
def up(edges: int, workers: int, fallbacks: int, orchestrators: int, env_file: Path | None, as_json: bool) -> int:
    """Run the stack here until Ctrl-C, which drains it; a second one ends it at once.

    With OPENAI_API_KEY set it talks to OPENAI_BASE_URL (default: OpenAI), without it to a simulator. Without the
    TWILIO_* settings and PUBLIC_BASE_URL it takes simulated calls from this machine (`trunkline call`).
    """
    _refuse_second_stack()
    values = stack_environment.read(os.environ, env_file or Path(".env"), is_required=env_file is not None)
    environment = stack_environment.resolve({**_DEFAULTS, **values})
    output = Output(as_json=as_json)
    with ProcessLogs(RUN_DIRECTORY) as logs, scenarios.path("demo-model.yaml") as script:
        size = plan.Size(edges, workers, fallbacks, orchestrators)
        stack = plan.make(environment, size, RUN_DIRECTORY / "nats", script)
        _explain(environment, output)
        return asyncio.run(Foreground(environment, stack, output, logs).run())


def _refuse_second_stack() -> None:
    if state := state_file.running():
        raise ConfigError(
            f"a stack already runs here (process {state.pid}): stop it first "
            f"(if it does not run any more, remove {state_file.DEFAULT_PATH})"
        )


def _explain(environment: StackEnvironment, output: Output) -> None:
    """Say what stands in for what nobody set."""
    if environment.uses_simulated_model:
        output.say("OPENAI_API_KEY is not set: a simulator stands in for OpenAI.", "yellow")
        if environment.unused_pipeline:
            output.say(f"{environment.unused_pipeline} is not used: the simulator is the pipeline as well.", "yellow")
    else:
        output.say(f"Speech sessions go to {environment.values.get('OPENAI_BASE_URL') or 'OpenAI'}.")
    if environment.made_up:
        names = ", ".join(environment.made_up)
        is_local = "PUBLIC_BASE_URL" in environment.made_up
        reach = "; only this machine can call" if is_local else ""
        output.say(f"{names} not set: made up for this run{reach}.", "yellow")
