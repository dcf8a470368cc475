"""`make chaos`: the fault matrix and the outages against the whole system, and what they cost the callers."""

import argparse
import asyncio
import json
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any, Final, TypeVar

from rich.console import Console

from bench.machine import machine_facts
from bench.progress import say
from chaos import faults, outages
from chaos.faults import FAULTS, Fault
from chaos.outage_report import outage_remarks
from chaos.outage_round import play as play_outage
from chaos.outages import FALLBACKS, OUTAGES, QUICK, Outage
from chaos.processes import ROOT, StackFailedError
from chaos.report import remarks, show
from chaos.round import Scale, play
from chaos.rows import Row
from chaos.stack import Size, Stack, running

T = TypeVar("T")

WORKERS: Final = 4
"""One of four is less than the share of talkers whose silence is held against the bus rather than against them."""
EDGES: Final = 2
WARM_BEYOND: Final = 1.2
INTERRUPTED: Final = 130
_NONE: Final = "none"


@dataclass(slots=True)
class Rows:
    """What was measured so far."""

    faults: list[Row] = field(default_factory=list)
    outages: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.faults) + len(self.outages)

    @property
    def are_correct(self) -> bool:
        """Nothing was wrong in any."""
        return all(row["is_correct"] for row in (*self.faults, *self.outages))


@dataclass(frozen=True, slots=True)
class _Round:
    """One fault or outage to come."""

    name: str
    what: str
    play: Callable[[], Awaitable[Row]]
    rows: list[Row]
    remarks: Callable[[Row], list[str]]


def run() -> int:
    """Exit code 1 if a call was lost, doubled, forgotten or leaked; 2 if the stack failed; 130 if interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _arguments()
    machine = machine_facts()
    rows = Rows()
    try:
        failure = asyncio.run(_play(arguments, rows))
    except KeyboardInterrupt:
        _report(arguments, machine, rows)
        say(f"interrupted after {len(rows)} rounds; all processes ended")
        return INTERRUPTED
    _report(arguments, machine, rows)
    if failure:
        say(failure)
        return 2
    return int(not rows.are_correct)


def _report(arguments: argparse.Namespace, machine: Mapping[str, Any], rows: Rows) -> None:
    """Whatever was measured: written down, and shown."""
    report = {
        "machine": machine,
        "seed": arguments.seed,
        "settings": _settings(arguments),
        "rows": rows.faults,
        "outage_settings": _outage_settings(arguments),
        "outages": rows.outages,
    }
    text = json.dumps(report, indent=2, ensure_ascii=False)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text + "\n")
    if arguments.json:
        print(text)
    else:
        console = Console()
        show(report, console if console.is_terminal else Console(width=180))
        console.print(f"written to {arguments.output}", style="dim")


async def _play(arguments: argparse.Namespace, rows: Rows) -> str | None:
    """Fills `rows`; returns why the stack could not be kept running, if it could not."""
    async with AsyncExitStack() as exits:
        scratch = arguments.keep or Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-chaos-")))
        scratch.mkdir(parents=True, exist_ok=True)
        say(f"starting {WORKERS} workers, {EDGES} edges, three NATS nodes; seed {arguments.seed} …")
        stack = await exits.enter_async_context(running(size(arguments.calls, arguments.warm), scratch))
        for each in _rounds(arguments, stack, rows):
            say(f"{each.name}: {each.what} …")
            try:
                row = await each.play()
            except StackFailedError as failed:
                return f"{each.name}: {failed}"
            each.rows.append(row)
            say(_line(each, row))
    return None


def _rounds(arguments: argparse.Namespace, stack: Stack, rows: Rows) -> Iterator[_Round]:
    """The faults, then the outages: these need the fallback service too, and fewer calls."""
    scale = Scale(arguments.calls, arguments.seed, soak_s=arguments.soak_s)
    for fault in arguments.faults:
        what = f"{fault.what}, {scale.calls} calls"
        yield _Round(fault.name, what, partial(play, stack, fault, scale), rows.faults, remarks)
    outage_scale = Scale(arguments.outage_calls, arguments.seed)
    for outage in arguments.outages:
        what = f"{outage.what}; {outage_scale.calls} calls"
        played = partial(play_outage, stack, outage, outage_scale)
        yield _Round(outage.name, what, played, rows.outages, outage_remarks)


def size(calls: int, warm: int | None = None) -> Size:
    """The stack for so many calls; as many warm sessions as the calls of one worker need when it is lost."""
    per_worker = -(-int(calls * WARM_BEYOND) // (WORKERS - 1)) if warm is None else warm
    return Size(WORKERS, EDGES, calls_per_worker=calls, warm_sessions=per_worker)


def _line(each: _Round, row: Row) -> str:
    verdict = "good" if row["is_correct"] else "WRONG"
    lines = [f"{each.name}: {row['held']} of {row['offered']} held, {verdict}, in {row['took_s']:g} s"]
    return "\n    ".join(lines + ([] if row["is_correct"] else each.remarks(row)))


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    made = size(arguments.calls, arguments.warm)
    return {"calls": arguments.calls, "workers": made.workers, "edges": made.edges, "warm_sessions": made.warm_sessions}


def _outage_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    made = {**_settings(arguments), "calls": arguments.outage_calls, "fallbacks": FALLBACKS}
    return made | dict(QUICK)


# --- the command line -------------------------------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--calls", type=_count, default=50, help="calls at a time (50)")
    parser.add_argument("--outage-calls", type=_count, default=20, help="calls that run when a provider fails (20)")
    _add_choice(parser, "--faults", faults.BY_NAME, FAULTS)
    _add_choice(parser, "--outages", outages.BY_NAME, OUTAGES)
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(1_000_000), help="the same seed, the same calls"
    )
    parser.add_argument("--soak-s", type=float, help="how long the calls of the soak last (60)")
    parser.add_argument("--warm", type=int, help="sessions each worker keeps open ahead of need")
    parser.add_argument("--json", action="store_true", help="print the JSON report only")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and recordings here")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "chaos.json", help="where to write the report")
    return parser.parse_args()


def _add_choice(
    parser: argparse.ArgumentParser,
    option: str,
    known: Mapping[str, Fault] | Mapping[str, Outage],
    default: Sequence[Fault] | Sequence[Outage],
) -> None:
    about = f"a,b,c of: {', '.join(known)}; or {_NONE}"
    parser.add_argument(option, type=partial(_chosen, known), default=list(default), help=about)


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least one call")
    return int(text)


def _chosen(known: Mapping[str, T], text: str) -> list[T]:
    if text == _NONE:
        return []
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}, or {_NONE}")
    return [known[name] for name in names]
