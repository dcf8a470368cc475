"""`trunkline call`: one simulated call to the stack that `trunkline up` runs."""

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click

from common.errors import ConfigError
from trunkline import scenarios
from trunkline.demo import report
from trunkline.demo.placed_call import Order, PlacedCall, Placing
from trunkline.demo.view import View
from trunkline.fleet import reach
from trunkline.output import Output, complain
from trunkline.stack import environment, plan, state_file
from trunkline.stack.state_file import StackState

_DIRECTORY = Path("build/run")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--script", type=_FILE, help="what the caller does (YAML)")
@click.option("--to", "dialled", default="+15550100100", show_default=True, help="the number dialled picks the agent")
@click.option("--record", type=_NEW_FILE, default=_DIRECTORY / "call.wav", show_default=True)
@click.option("--env-file", type=click.Path(path_type=Path), help="where the stack's settings are  [default: .env]")
@click.option("--json", "as_json", is_flag=True, help="print JSON lines, the last one the report")
def call(script: Path | None, dialled: str, record: Path, env_file: Path | None, as_json: bool) -> int:
    """Place one simulated call to the running stack and show it.

    It speaks the Twilio protocol as a real caller would. If the stack talks to OpenAI, that costs what a call costs.
    Leaves the recording and, beside it, a report (.json).
    """
    state = state_file.read()
    values = environment.read(os.environ, env_file or Path(".env"), is_required=env_file is not None)
    output = Output(as_json=as_json)
    record.parent.mkdir(parents=True, exist_ok=True)
    with _script(script) as chosen, tempfile.TemporaryDirectory(prefix="trunkline-call-") as workplace:
        order = Order(
            voice_url=state.local_voice_url,
            public_base_url=state.public_base_url,
            account_sid=state.account_sid,
            auth_token=_auth_token(state, values),
            script=chosen,
            recording=record,
            result=Path(workplace) / "caller.json",
            log=record.with_suffix(".log"),
            environment=plan.without_service_settings(values),
            dialled_number=dialled,
        )
        placed = asyncio.run(_place(order, state.nats_url, output))
    return _sum_up(placed, record, output)


def _script(given: Path | None) -> AbstractContextManager[Path]:
    return scenarios.path("demo-caller.yaml") if given is None else nullcontext(given)


def _auth_token(state: StackState, values: Mapping[str, str]) -> str:
    token = state.auth_token or values.get("TWILIO_AUTH_TOKEN")
    if not token:
        raise ConfigError("TWILIO_AUTH_TOKEN is not set: give the one the stack was started with")
    return token


async def _place(order: Order, nats_url: str, output: Output) -> PlacedCall:
    async with reach.connected(nats_url) as bus:
        return await Placing(order, bus, View(output)).run()


def _sum_up(placed: PlacedCall, record: Path, output: Output) -> int:
    result = placed.result
    built = report.build(result, placed.facts)
    record.with_suffix(".json").write_text(json.dumps(built, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    output.event("report", {"ok": result.is_ok, "failure": result.failure, **built})
    if not result.is_ok:
        complain(f"the call did not go as scripted: {result.failure}")
        return 1
    output.say(f"The call went as scripted: {result.duration_ms / 1000:.1f} s. Listen: {record}", "green")
    return 0
