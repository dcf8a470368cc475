"""`make bench`: trunkline and the plain bridge under the same load, in turns."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from .machine import machine_facts
from .progress import say
from .report import show
from .rows import rows_of, with_ratios
from .systems import ROOT, SYSTEMS
from .targets import SUT, judge
from .trial import Plan, Trial, run_trial


def main() -> int:
    """Runs all trials, writes the report, returns 1 only if a system failed to carry its calls."""
    arguments = _arguments()
    machine = machine_facts()
    trials = [_run(plan) for plan in _plans(arguments)]
    report = _report(trials, machine)
    text = json.dumps(report, indent=2, ensure_ascii=False)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text + "\n")
    if arguments.json:
        print(text)
    else:
        console = Console()
        show(report, console if console.is_terminal else Console(width=180))
        console.print(f"written to {arguments.output}", style="dim")
    return int(any(trial.failures for trial in trials))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--calls", type=_counts, default=[20, 80, 200], help="numbers of calls: 20,80,200")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of the measured window (15)")
    parser.add_argument("--sut", type=_systems, default=list(SYSTEMS), help="systems under test: trunkline,bridge")
    parser.add_argument("--rounds", type=int, default=1, help="repeat everything so many times (1)")
    parser.add_argument("--json", action="store_true", help="print the JSON report only")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json", help="where to write it")
    return parser.parse_args()


def _counts(text: str) -> list[int]:
    counts = [int(each) for each in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("at least one call")
    return counts


def _systems(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SYSTEMS]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(SYSTEMS)}")
    return names


def _plans(arguments: argparse.Namespace) -> Iterator[Plan]:
    """The systems take turns, so that a noisy minute of the machine hits all of them."""
    for _ in range(arguments.rounds):
        for calls in arguments.calls:
            for sut in arguments.sut:
                yield Plan(sut, calls, arguments.seconds)


def _run(plan: Plan) -> Trial:
    say(f"{plan.sut}: {plan.calls} calls for {plan.window_s:g} s …")
    trial = uvloop.run(run_trial(plan))
    if trial.failures:
        say(f"{plan.sut}: FAILED: {trial.failures[0]}")
    else:
        cost = sum(trial.cpu_s.values()) * 1000 / plan.calls / trial.window_s
        say(f"{plan.sut}: {cost:.2f} CPU ms per call and second")
    return trial


def _report(trials: list[Trial], machine: dict[str, Any]) -> dict[str, Any]:
    rows = with_ratios(rows_of(trials))
    ratios = {
        str(row["calls"]): row["ratio_to_bridge"] for row in rows if row["sut"] == SUT and "ratio_to_bridge" in row
    }
    return {"machine": machine, "rows": rows, "ratio_to_bridge": ratios, "targets": judge(rows)}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("interrupted; nothing written, all processes ended")
        sys.exit(130)
