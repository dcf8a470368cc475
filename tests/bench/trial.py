"""One trial: one system, one number of calls, one window."""

import asyncio
import gc
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

import psutil

from .board import Samples
from .peers import Load
from .processes import Processes, SystemFailedError, Usage, started
from .progress import say
from .systems import SYSTEMS, Circumstances, System

CALLS_PER_S: Final = 40
SETTLE_S: Final = 3.0
_GRACE_S: Final = 1.0
"""What began within the window may end this much after it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try."""

    sut: str
    calls: int
    window_s: float


@dataclass(slots=True)
class Trial:
    """What was measured; `failures` says why a system did not carry its calls, the rest may be empty then."""

    plan: Plan
    window_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    rss_bytes: dict[str, int] = field(default_factory=dict)
    """Growth from the idle system to the end of the window."""
    samples: Samples = field(default_factory=Samples)
    load_cpu_s: float = 0.0
    others_cpu_s: float = 0.0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    system: Usage
    load_cpu_s: float
    everyone_cpu_s: dict[int, float]


async def run_trial(plan: Plan) -> Trial:
    """Starts the system, loads it, measures, stops it; a system that fails gives a trial with `failures`."""
    trial = Trial(plan)
    load = Load(plan.calls)
    await load.open()
    try:
        with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as scratch:
            trial_of = Circumstances(plan.calls, load.model_port, Path(scratch))
            system = SYSTEMS[plan.sut](trial_of)
            await _run(trial, load, system, Path(scratch))
    except SystemFailedError as failed:
        trial.failures.append(str(failed))
    finally:
        load.close()
    return trial


async def _run(trial: Trial, load: Load, system: System, logs: Path) -> None:
    async with started(system, logs) as processes:
        await _warm_up(load, system, processes)
        idle = processes.usage()
        trial.failures += await load.place(system.webhook_url, CALLS_PER_S)
        processes.check()
        if not trial.failures:
            await asyncio.sleep(SETTLE_S)
            await _measure(trial, load, processes)
            trial.rss_bytes = _growth(idle.rss_bytes, processes.usage().rss_bytes)
            trial.failures += load.uncarried()
        if trial.failures:
            say("\n".join(trial.failures[:5]) + processes.logs())
        load.hang_up()
        await asyncio.sleep(0.5)


async def _warm_up(load: Load, system: System, processes: Processes) -> None:
    try:
        await load.warm_up(system.webhook_url)
    except Exception as problem:
        processes.check()
        raise SystemFailedError(f"the first call failed: {problem!r}{processes.logs()}") from problem


async def _measure(trial: Trial, load: Load, processes: Processes) -> None:
    gc.collect()
    gc.disable()
    try:
        before = _read(processes)
        load.window.opens_at = before.at
        load.window.closes_at = before.at + trial.plan.window_s
        await asyncio.sleep(load.window.closes_at - monotonic())
        after = _read(processes)
        await asyncio.sleep(_GRACE_S)
    finally:
        gc.enable()
    processes.check()
    trial.samples = load.window.samples
    trial.window_s = after.at - before.at
    trial.cpu_s = {name: spent - before.system.cpu_s[name] for name, spent in after.system.cpu_s.items()}
    trial.load_cpu_s = after.load_cpu_s - before.load_cpu_s
    everyone_s = sum(spent - before.everyone_cpu_s.get(pid, 0.0) for pid, spent in after.everyone_cpu_s.items())
    trial.others_cpu_s = max(0.0, everyone_s - trial.load_cpu_s - sum(trial.cpu_s.values()))


def _read(processes: Processes) -> _Reading:
    return _Reading(monotonic(), processes.usage(), time.process_time(), _everyone_cpu_s())


def _everyone_cpu_s() -> dict[int, float]:
    """CPU seconds of each process of the machine; the machine's own counters miss bursts shorter than a tick."""
    times = {each.pid: each.info["cpu_times"] for each in psutil.process_iter(["cpu_times"])}
    return {pid: spent.user + spent.system for pid, spent in times.items() if spent is not None}


def _growth(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: size - before[name] for name, size in after.items()}
