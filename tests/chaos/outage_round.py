"""One outage: calls are placed, the provider fails, more callers come, it recovers, everybody tells what happened."""

import asyncio
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.latency import summarise
from chaos import outage_verdict as verdict
from chaos.commands import trunkline
from chaos.outage_verdict import Placed, Struck
from chaos.outages import QUICK, Outage
from chaos.people import script
from chaos.processes import ROOT
from chaos.report import Row
from chaos.round import Scale, all_attached, calling
from chaos.stack import ACCOUNT_SID, AUTH_TOKEN, Stack
from chaos.told import Told, listening
from common.profile import Menu
from common.prompts import load_prompts

FALLBACKS: Final = 2
SETTLING_S: Final = 2.0
ANSWER_AT_MOST_MS: Final = 2_000.0
"""Of the turn during which the provider failed, and of who calls while nothing works. Shown, never asserted."""
_FEW: Final = 5


async def play(stack: Stack, outage: Outage, scale: Scale) -> Row:
    """The outage's row."""
    started_s = time.monotonic()
    await stack.resize(
        replace(
            stack.size,
            calls_per_worker=2 * scale.calls,
            edges_move_calls=False,
            fallbacks=FALLBACKS,
            fallback_settings=QUICK,
        )
    )
    await stack.complete()
    for kind in ("faults", "sessions", "requests"):
        await stack.openai("DELETE", kind)
    rollout = "100" if outage.starts_at == 0 else "0"
    await trunkline(stack, "flags", "set", "realtime.rollout", rollout)
    await asyncio.sleep(1.5)  # an edge looks at the flags once a second
    async with listening(stack.cluster.urls) as told:
        before, during, struck = await _calls(stack, outage, scale)
        await asyncio.sleep(1.0)
    await outage.end(stack)
    kept = await _messages_kept(stack) if outage.leaves_messages else 0
    await stack.complete()
    sessions = await stack.openai("GET", "sessions?recognise=0")
    requests = await stack.openai("GET", "requests")
    _keep(stack.scratch / f"{outage.name}-told.json", told, sessions, requests)
    chats = [each for each in requests if each["endpoint"] == "chat" and each["asked"]]
    wrong = verdict.wrongs(outage, told, before, during)
    wrong += [line for call in before for line in verdict.forgotten(told, call, sessions, chats)]
    if outage.says is not None:
        text = load_prompts(ROOT / "agents" / "prompts").of(None, "en", Menu())[outage.says].text
        wrong += verdict.unsaid(outage, told, [*before, *during], text)
    if outage.leaves_messages and kept < outage.calls_during:
        wrong.append(f"{kept} of {outage.calls_during} messages are there after all replicas were killed")
    return _row(outage, told, before, during, struck, wrong, time.monotonic() - started_s)


def _keep(file: Path, told: Told, sessions: list[Any], requests: list[Any]) -> None:
    """What is judged, for whoever wants to look closer."""
    facts = {call_id: [json.loads(fact.encode()) for fact in each] for call_id, each in told.facts.items()}
    file.write_text(json.dumps({"facts": facts, "sessions": sessions, "requests": requests}))


def _row(
    outage: Outage,
    told: Told,
    before: list[Placed],
    during: list[Placed],
    struck: Struck,
    wrong: list[str],
    took_s: float,
) -> Row:
    calls = [*before, *during]
    sequences: dict[str, int] = {}
    for call in calls:
        name = "→".join(f"L{level}" for level in verdict.levels(told, call.call_id))
        sequences[name] = sequences.get(name, 0) + 1
    spoken_to = [verdict.spoken_to_ms(told, call, struck) for call in before]
    answered = [verdict.answered_ms(told, call, struck) for call in before]
    return {
        "outage": outage.name,
        "what": outage.what,
        "offered": len(calls),
        "held": sum(call.failure is None for call in calls),
        "spoken_to_ms": _summary(spoken_to),
        "answered_ms": _summary(answered),
        "spoke_ms": _summary([verdict.spoke_ms(call) for call in during]),
        "back_ms": _summary([verdict.back_ms(told, call, struck) for call in before]),
        "levels": sequences,
        "has_tripped": verdict.has_tripped(told),
        "took_s": round(took_s, 1),
        "wrong": wrong[:_FEW],
        "is_correct": not wrong,
    }


def _summary(samples_ms: list[float | None]) -> dict[str, Any]:
    return asdict(summarise([each / 1000 for each in samples_ms if each is not None]))


# --- the calls --------------------------------------------------------------------------------------------------------


async def _calls(stack: Stack, outage: Outage, scale: Scale) -> tuple[list[Placed], list[Placed], Struck]:
    random = Random(f"{scale.seed}:{outage.name}")
    talks_s = scale.talk_s or outage.talks_s
    before = [
        {
            "number": number,
            "after_s": random.uniform(0, scale.arriving_s),
            "script": script(random, talks_s),
        }
        for number in range(1, scale.calls + 1)
    ]
    async with calling(stack.scratch, _plan(stack, before), stack.scratch / f"{outage.name}-before.json") as callers:
        await all_attached(callers, scale.calls)
        await asyncio.sleep(SETTLING_S)
        began_s = time.monotonic()
        await outage.begin(stack)
        during = asyncio.create_task(_calls_during(stack, outage, random))
        await asyncio.sleep(outage.lasts_s)
        ended_s = time.monotonic()
        await outage.end(stack)
        placed_during = await during
        await callers.process.wait()
    placed = _read(stack.scratch / f"{outage.name}-before.json")
    return placed, placed_during, Struck(began_s, ended_s)


async def _calls_during(stack: Stack, outage: Outage, random: Random) -> list[Placed]:
    if not outage.calls_during:
        return []
    steps: dict[str, Any] = {"name": "meanwhile", "max_call_ms": 90_000, "steps": list(outage.steps_during)}
    calls = [
        {
            "number": 1_000 + number,
            "after_s": 3.0 + random.uniform(0, 1.0),
            "script": steps if outage.steps_during else script(random, 30.0),
        }
        for number in range(outage.calls_during)
    ]
    results = stack.scratch / f"{outage.name}-during.json"
    scratch = stack.scratch / "during"
    scratch.mkdir(exist_ok=True)
    async with calling(scratch, _plan(stack, calls), results) as callers:
        await callers.process.wait()
    return _read(results)


def _plan(stack: Stack, calls: list[dict[str, Any]]) -> dict[str, Any]:
    account = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
    return {"voice_url": stack.voice_url, **account, "calls": calls}


def _read(results: Path) -> list[Placed]:
    calls = json.loads(results.read_text())["calls"]
    return [verdict.read_placed(each["result"]) for each in calls if "result" in each]


async def _messages_kept(stack: Stack) -> int:
    """How many there are after every replica was killed and started again."""
    for replica in stack.fallbacks:
        replica.kill()
        await replica.ended(within_s=10)
    await stack.complete()
    listed = await trunkline(stack, "messages")
    return sum(each.get("kind") == "message" for each in listed)
