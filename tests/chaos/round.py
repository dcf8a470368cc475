"""One round: calls are placed, the fault strikes, the calls go on to their end, the peers tell what they recorded."""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from chaos.faults import Fault
from chaos.judge import Strike, judge
from chaos.leaks import leaks, settled_level
from chaos.people import script
from chaos.processes import ROOT, clean_environment
from chaos.recorded import Recordings, read_call, read_session
from chaos.rows import Circumstances, Row, row_of
from chaos.silences import ModelPace
from chaos.stack import ACCOUNT_SID, AUTH_TOKEN, Size, Stack

PACE: Final = ModelPace(turn_detection_s=0.5, first_audio_s=0.3)
"""By the agent profile's turn detection and the model's script."""
ARRIVING_S: Final = 8.0
"""The calls begin within this: about the length of an exchange, so that a fault meets every moment of one."""
SETTLING_S: Final = 3.0
ATTACHED_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How big a round is."""

    calls: int
    seed: int
    arriving_s: float = ARRIVING_S
    talk_s: float | None = None
    """How long the callers talk; None: as long as the fault needs."""
    soak_s: float | None = None


@dataclass(slots=True)
class Callers:
    """The callers' process: what it has told so far."""

    process: asyncio.subprocess.Process
    attached: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)

    async def follow(self) -> None:
        """Until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            (self.attached if told["event"] == "attached" else self.ended).add(told["number"])


async def play(stack: Stack, fault: Fault, scale: Scale) -> Row:
    """The fault's row."""
    started_s = time.monotonic()
    stack.notes.clear()
    await stack.resize(_size_for(fault, stack.size, scale))
    await stack.complete()
    await stack.openai("DELETE", "faults")
    await stack.openai("DELETE", "sessions")
    if fault.link is not None:
        await stack.relink(fault.link)
    before = await settled_level(stack)
    if fault.alone is not None:
        await stack.only(fault.alone)
    results, strike, notes = await _calls(stack, fault, scale)
    await stack.openai("DELETE", "faults")
    await asyncio.gather(*(proxy.mend() for proxy in stack.proxies))
    await stack.complete()
    held = await leaks(stack, before)
    await stack.unlink()
    recordings = await _recordings(stack, results)
    _keep(stack.scratch / f"{fault.name}-recordings.txt", recordings, strike)
    verdicts = judge(recordings, strike, PACE)
    around = Circumstances(
        offered=scale.calls,
        unplaced=recordings.unplaced,
        leaks=held,
        late_frames=results["clock"]["late_frames"],
        took_s=time.monotonic() - started_s,
        notes=(*notes, *stack.notes, *_second_streams(recordings)),
    )
    return row_of(fault, verdicts, around)


def _size_for(fault: Fault, size: Size, scale: Scale) -> Size:
    per_worker = scale.calls
    if fault.of_capacity is not None:
        per_worker = -(-round(scale.calls / fault.of_capacity) // size.workers)
    return replace(size, calls_per_worker=per_worker, edges_move_calls=fault.edges_move_calls)


# --- the calls ------------------------------------------------------------------------------------------------------


async def _calls(stack: Stack, fault: Fault, scale: Scale) -> tuple[dict[str, Any], Strike, list[str]]:
    talk_s = (scale.soak_s if fault.name == "soak" else scale.talk_s) or fault.talk_s
    random = Random(f"{scale.seed}:{fault.name}")
    plan = {
        "voice_url": stack.voice_url,
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "calls": [
            {
                "number": number,
                "after_s": random.uniform(0, scale.arriving_s),
                "script": script(random, talk_s, extra=fault.caller_steps),
            }
            for number in range(1, scale.calls + 1)
        ],
    }
    results_file = stack.scratch / f"{fault.name}-results.json"
    async with calling(stack.scratch, plan, results_file) as callers:
        await all_attached(callers, scale.calls)
        if fault.alone is not None:
            await stack.complete()
        await asyncio.sleep(SETTLING_S + random.uniform(0, 1.0))
        notes = [f"{len(callers.ended)} calls had ended before the fault struck"] if callers.ended else []
        strike = Strike(time.monotonic())
        await fault.strike(stack)
        if callers.ended and not notes:
            notes.append(f"{len(callers.ended)} calls had ended before the fault was over")
        await callers.process.wait()
    if callers.process.returncode:
        raise RuntimeError(f"the callers' process ended with {callers.process.returncode}")
    return json.loads(results_file.read_text()), strike, notes


@contextlib.asynccontextmanager
async def calling(scratch: Path, plan: dict[str, Any], results_file: Path) -> AsyncIterator[Callers]:
    """The callers' process with this plan, ended with the context."""
    plan_file = scratch / "plan.json"
    plan_file.write_text(json.dumps(plan))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chaos.callers", str(plan_file), str(results_file)),
        cwd=ROOT,
        env=clean_environment({"PYTHONPATH": str(ROOT / "tests")}),
        stdout=asyncio.subprocess.PIPE,
    )
    callers = Callers(process)
    following = asyncio.create_task(callers.follow())
    try:
        yield callers
        await following
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def all_attached(callers: Callers, calls: int) -> None:
    """Or ended before they were: those are judged later."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ATTACHED_WITHIN_S):
            while len(callers.attached | callers.ended) < calls:
                await asyncio.sleep(0.02)


# --- what was recorded ------------------------------------------------------------------------------------------------


async def _recordings(stack: Stack, results: dict[str, Any]) -> Recordings:
    placed = [each for each in results["calls"] if "result" in each]
    return Recordings(
        calls=tuple(read_call(each["number"], each["result"], each["heard"]) for each in placed),
        sessions=tuple(map(read_session, await stack.openai("GET", "sessions?recognise=0&marks=1"))),
        unplaced=tuple(
            f"call {each['number']}: {each['problem']}" for each in results["calls"] if "result" not in each
        ),
    )


def _second_streams(recordings: Recordings) -> list[str]:
    """What became of the sockets that callers opened beside their own."""
    ends = Counter(end for call in recordings.calls for end in call.side_sockets)
    return [f"second streams: {', '.join(f'{count} {end}' for end, count in sorted(ends.items()))}"] if ends else []


def _keep(file: Path, recordings: Recordings, strike: Strike) -> None:
    """What is judged, for whoever wants to look closer."""
    file.write_text(repr((recordings, strike)))
