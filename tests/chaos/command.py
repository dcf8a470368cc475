"""`make chaos`: the fault matrix against the whole system, and what it cost the callers."""

import argparse
import asyncio
import json
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

from rich.console import Console

from bench.machine import machine_facts
from bench.progress import say
from chaos.faults import BY_NAME, FAULTS, Fault
from chaos.processes import ROOT, StackFailedError
from chaos.report import remarks, show
from chaos.round import Scale, play
from chaos.rows import Row
from chaos.stack import Size, running

WORKERS: Final = 4
"""One of four is less than the share of talkers whose silence is held against the bus rather than against them."""
EDGES: Final = 2
WARM_BEYOND: Final = 1.2
INTERRUPTED: Final = 130


def run() -> int:
    """Exit code 1 if a call was lost, doubled, forgotten or leaked; 2 if the stack failed; 130 if interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _arguments()
    machine = machine_facts()
    rows: list[Row] = []
    try:
        failure = asyncio.run(_play(arguments, rows))
    except KeyboardInterrupt:
        _report(arguments, machine, rows)
        say(f"interrupted after {len(rows)} faults; all processes ended")
        return INTERRUPTED
    _report(arguments, machine, rows)
    if failure:
        say(failure)
        return 2
    return int(not all(row["is_correct"] for row in rows))


def _report(arguments: argparse.Namespace, machine: Mapping[str, Any], rows: list[Row]) -> None:
    """Whatever was measured: written down, and shown."""
    report = {"machine": machine, "seed": arguments.seed, "settings": _settings(arguments), "rows": rows}
    text = json.dumps(report, indent=2, ensure_ascii=False)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text + "\n")
    if arguments.json:
        print(text)
    else:
        console = Console()
        show(report, console if console.is_terminal else Console(width=180))
        console.print(f"written to {arguments.output}", style="dim")


async def _play(arguments: argparse.Namespace, rows: list[Row]) -> str | None:
    """Fills `rows`; returns why the stack could not be kept running, if it could not."""
    scale = Scale(arguments.calls, arguments.seed, soak_s=arguments.soak_s)
    async with AsyncExitStack() as exits:
        scratch = arguments.keep or Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-chaos-")))
        scratch.mkdir(parents=True, exist_ok=True)
        say(f"starting {WORKERS} workers, {EDGES} edges, three NATS nodes; seed {arguments.seed} …")
        stack = await exits.enter_async_context(running(size(arguments.calls, arguments.warm), scratch))
        for fault in arguments.faults:
            say(f"{fault.name}: {fault.what}, {arguments.calls} calls …")
            try:
                row = await play(stack, fault, scale)
            except StackFailedError as failed:
                return f"{fault.name}: {failed}"
            rows.append(row)
            say(_line(row))
    return None


def size(calls: int, warm: int | None = None) -> Size:
    """The stack for so many calls; as many warm sessions as the calls of one worker need when it is lost."""
    per_worker = -(-int(calls * WARM_BEYOND) // (WORKERS - 1)) if warm is None else warm
    return Size(WORKERS, EDGES, calls_per_worker=calls, warm_sessions=per_worker)


def _line(row: Row) -> str:
    verdict = "good" if row["is_correct"] else "WRONG"
    lines = [f"{row['fault']}: {row['held']} of {row['offered']} held, {verdict}, in {row['took_s']:g} s"]
    return "\n    ".join(lines + ([] if row["is_correct"] else remarks(row)))


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    made = size(arguments.calls, arguments.warm)
    return {"calls": arguments.calls, "workers": made.workers, "edges": made.edges, "warm_sessions": made.warm_sessions}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--calls", type=_count, default=50, help="calls at a time (50)")
    parser.add_argument("--faults", type=_faults, default=list(FAULTS), help=f"a,b,c of: {', '.join(BY_NAME)}")
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(1_000_000), help="the same seed, the same calls"
    )
    parser.add_argument("--soak-s", type=float, help="how long the calls of the soak last (60)")
    parser.add_argument("--warm", type=int, help="sessions each worker keeps open ahead of need")
    parser.add_argument("--json", action="store_true", help="print the JSON report only")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and recordings here")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "chaos.json", help="where to write the report")
    return parser.parse_args()


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least one call")
    return int(text)


def _faults(text: str) -> Sequence[Fault]:
    names = text.split(",")
    if unknown := [name for name in names if name not in BY_NAME]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(BY_NAME)}")
    return [BY_NAME[name] for name in names]
