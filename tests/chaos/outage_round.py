"""One outage: calls are placed, the provider fails, more callers come, it recovers, everybody tells what happened."""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

from chaos.commands import trunkline
from chaos.evidence import Evidence, Json, Struck, read_chats, read_placed, read_sessions
from chaos.leaks import counted, leaks, settled_level, still_held
from chaos.outage_rows import Afterwards, row_of
from chaos.outage_verdict import unsaid
from chaos.outages import FALLBACKS, QUICK, Outage
from chaos.people import script
from chaos.processes import ROOT
from chaos.round import PACE, Callers, Scale, all_attached, calling
from chaos.rows import Row
from chaos.scrape import Scraped, scrape
from chaos.stack import ACCOUNT_SID, AUTH_TOKEN, Size, Stack
from chaos.told import Told, listening
from chaos.traces import not_kept, not_recorded_once, not_recovered
from common.profile import Menu
from common.prompts import load_prompts

SETTLING_S: Final = 2.0
FLAGS_SEEN_S: Final = 2.5
"""An edge looks at the flags once a second."""
_BETWEEN_S: Final = 10.0
"""Who calls meanwhile talks for so much less than who called before: about until the same moment."""


_AFTER_TALKS_S: Final = 4.0
_WHEN: Final = ("before", "during", "after")


@dataclass(frozen=True, slots=True)
class _Calls:
    """What the callers' processes wrote down, and when it struck."""

    results: Mapping[str, Json]
    """By whether they were placed before, during or after it."""
    struck: Struck


async def play(stack: Stack, outage: Outage, scale: Scale) -> Row:
    """The outage's row."""
    started_s = time.monotonic()
    await _prepare(stack, outage, scale)
    level = await settled_level(stack)
    counts = await scrape(stack.fallbacks)
    async with listening(stack.cluster.urls) as told:
        calls = await _play(stack, outage, scale)
        await asyncio.sleep(1.0)
    wrong = _uncounted(outage, counts, await scrape(stack.fallbacks)) if outage.counts else []
    evidence = await _evidence(stack, outage, told, calls)
    wrong += _unsaid(outage, evidence)
    if outage.leaves_messages:
        wrong += await not_kept(stack, [each.call_id for each in evidence.during])
    await stack.complete()
    wrong += await not_recovered(stack)
    wrong += still_held(await leaks(stack, level), await counted(stack))
    wrong += await not_recorded_once(stack.records, [each.call_id for each in evidence.calls])
    return row_of(outage, evidence, PACE, Afterwards(tuple(wrong), time.monotonic() - started_s))


def size_for(size: Size, scale: Scale) -> Size:
    """The stack's size for outages: room for twice the calls everywhere."""
    room = max(size.calls_per_worker, 2 * scale.calls)
    return replace(size, calls_per_worker=room, edges_move_calls=False, fallbacks=FALLBACKS, fallback_settings=QUICK)


async def _prepare(stack: Stack, outage: Outage, scale: Scale) -> None:
    await stack.resize(size_for(stack.size, scale))
    await stack.complete()
    for kind in ("faults", "sessions", "requests"):
        await stack.openai("DELETE", kind)
    await trunkline(stack, "flags", "set", "realtime.rollout", "100" if outage.starts_at == 0 else "0")
    await asyncio.sleep(FLAGS_SEEN_S)


# --- the calls --------------------------------------------------------------------------------------------------------


async def _play(stack: Stack, outage: Outage, scale: Scale) -> _Calls:
    random = Random(f"{scale.seed}:{outage.name}")
    talks_s = scale.talk_s or outage.talks_s
    before = [
        _call(number, random.uniform(0, scale.arriving_s), script(random, talks_s))
        for number in range(1, scale.calls + 1)
    ]
    during, after = _calls_during(outage, random, talks_s), _calls_after(outage, random)
    async with _placing(stack, outage, "before", before) as callers:
        await all_attached(callers, scale.calls)
        await asyncio.sleep(SETTLING_S)
        began_s = time.monotonic()
        await outage.begin(stack)
        async with asyncio.TaskGroup() as group:
            group.create_task(_place(stack, outage, "during", during))
            await asyncio.sleep(outage.lasts_s)
            ended_s = time.monotonic()
            await outage.end(stack)
            group.create_task(_place(stack, outage, "after", after))
        await callers.process.wait()
    return _Calls({when: _results(stack, outage, when) for when in _WHEN}, Struck(began_s, ended_s))


def _calls_during(outage: Outage, random: Random, talks_s: float) -> list[Json]:
    acted = {"name": "meanwhile", "max_call_ms": 90_000, "steps": list(outage.steps_during)}
    return [
        _call(
            1_000 + number,
            3.0 + random.uniform(0, 1.0),
            acted if outage.steps_during else script(random, talks_s - _BETWEEN_S),
        )
        for number in range(outage.calls_during)
    ]


def _calls_after(outage: Outage, random: Random) -> list[Json]:
    return [
        _call(2_000 + number, FLAGS_SEEN_S + random.uniform(0, 1.0), script(random, _AFTER_TALKS_S))
        for number in range(outage.calls_after)
    ]


def _call(number: int, after_s: float, acted: Json) -> Json:
    return {"number": number, "after_s": after_s, "script": acted}


async def _place(stack: Stack, outage: Outage, when: str, calls: Sequence[Json]) -> None:
    async with _placing(stack, outage, when, calls) as callers:
        await callers.process.wait()


def _placing(
    stack: Stack, outage: Outage, when: str, calls: Sequence[Json]
) -> contextlib.AbstractAsyncContextManager[Callers]:
    account = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
    plan = {"voice_url": stack.voice_url, **account, "calls": list(calls)}
    scratch = stack.scratch / when
    scratch.mkdir(exist_ok=True)
    return calling(scratch, plan, _file(stack, outage, when))


def _results(stack: Stack, outage: Outage, when: str) -> Json:
    results: Json = json.loads(_file(stack, outage, when).read_text())
    return results


def _file(stack: Stack, outage: Outage, when: str) -> Path:
    return stack.scratch / f"{outage.name}-{when}.json"


# --- what is known of them --------------------------------------------------------------------------------------------


async def _evidence(stack: Stack, outage: Outage, told: Told, calls: _Calls) -> Evidence:
    sessions = await stack.openai("GET", "sessions?recognise=0&marks=1")
    requests = await stack.openai("GET", "requests")
    facts = {call_id: [json.loads(fact.encode()) for fact in each] for call_id, each in told.facts.items()}
    standings = [{"at_s": each.at_s, "said": json.loads(each.said.encode())} for each in told.standings]
    recorded = {"facts": facts, "standings": standings, "sessions": sessions, "requests": requests}
    kept = {"struck": asdict(calls.struck), **recorded}
    (stack.scratch / f"{outage.name}-told.json").write_text(json.dumps(kept))  # for whoever wants to look closer
    read = {when: read_placed(results) for when, results in calls.results.items()}
    return Evidence(
        told,
        calls.struck,
        before=read["before"][0],
        during=read["during"][0],
        after=read["after"][0],
        unplaced=tuple(line for _, lines in read.values() for line in lines),
        sessions=read_sessions(sessions),
        chats=read_chats(requests),
    )


def _unsaid(outage: Outage, evidence: Evidence) -> list[str]:
    if outage.says is None:
        return []
    text = load_prompts(ROOT / "agents" / "prompts").of(None, "en", Menu())[outage.says].text
    return unsaid(outage, evidence, text)


def _uncounted(outage: Outage, before: Scraped, now: Scraped) -> list[str]:
    """What the metrics should have shown and did not."""
    return [
        f"{each.name} {dict(each.labels)} did not rise"
        for each in outage.counts
        if now.total(each.name, each.labels) <= before.total(each.name, each.labels)
    ]
