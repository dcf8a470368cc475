"""`python -m chaos.callers PLAN RESULTS`: the carrier's cloud with its callers, a process of its own.

Prints a JSON line when a call's first stream is attached and when a call has ended; writes everything that was
recorded, the watermarks of what each caller heard included, to RESULTS once all calls are over.
"""

import asyncio
import gc
import json
import sys
from pathlib import Path
from typing import Any

import uvloop

from simulators.people import watermark
from simulators.twilio import CallPlan, CallResult, TwilioCloud
from simulators.twilio.events import Event
from simulators.twilio.script import Script

Json = dict[str, Any]


async def _run(plan: Json) -> Json:
    async with TwilioCloud() as cloud:
        gc.freeze()
        calls = await asyncio.gather(*(_call(cloud, plan, each) for each in plan["calls"]))
        lateness = cloud.lateness
    clock = {"frames": lateness.frames, "late_frames": lateness.late_frames, "max_lateness_s": lateness.max_s}
    return {"calls": calls, "clock": clock}


async def _call(cloud: TwilioCloud, plan: Json, each: Json) -> Json:
    number = each["number"]
    await asyncio.sleep(each["after_s"])
    call_plan = CallPlan(
        voice_url=plan["voice_url"],
        account_sid=plan["account_sid"],
        auth_token=plan["auth_token"],
        script=Script.parse(each["script"], f"call {number}"),
        caller=f"+1555{number:07d}",
        keep_audio=True,
        caller_mark=number,
    )
    streams = 0

    def on_event(event: Event) -> None:
        nonlocal streams
        if event.name == "stream_started":
            streams += 1
            if streams == 1:
                _tell("attached", number)

    try:
        result = await cloud.place_call(call_plan, on_event)
    except Exception as problem:  # whatever it is, it is this call's
        _tell("ended", number)
        return {"number": number, "problem": repr(problem)}
    _tell("ended", number)
    return {"number": number, **_recorded(result)}


def _recorded(result: CallResult) -> Json:
    heard = [[run.at_byte, run.number, run.first_cell, run.cells] for run in watermark.runs(result.heard_pcmu)]
    return {"result": {**result.as_json(), "chunks": []}, "heard": heard}


def _tell(event: str, number: int) -> None:
    print(json.dumps({"event": event, "number": number}), flush=True)


def main() -> int:
    """Exit code 0 once the results are written, whatever they are."""
    plan_file, results_file = map(Path, sys.argv[1:3])
    results = uvloop.run(_run(json.loads(plan_file.read_text())))
    results_file.write_text(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
