"""What calls leave behind: a record each, the messages that were left, breakers that trust their providers again."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from chaos.commands import trunkline
from chaos.scrape import scrape
from chaos.stack import Stack

RECORDED_WITHIN_S: Final = 10.0
RECOVERED_WITHIN_S: Final = 60.0
"""Open at most, probes and ramp by `QUICK`, and then some."""
_BYTES_PER_MS: Final = 8


async def not_recorded_once(records: Path, call_ids: Sequence[str], within_s: float = RECORDED_WITHIN_S) -> list[str]:
    """The calls that have no record in the file, or several; waits for those that are missing."""
    deadline = time.monotonic() + within_s
    counts = _records(records)
    while any(not counts[call_id] for call_id in call_ids) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        counts = _records(records)
    return [f"call {call_id} has {counts[call_id]} records" for call_id in call_ids if counts[call_id] != 1]


def _records(file: Path) -> Counter[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(json.loads(line)["call_id"] for line in lines)


async def not_kept(stack: Stack, call_ids: Sequence[str]) -> list[str]:
    """The calls whose message is not there with its recording, once every replica was killed and started again."""
    for replica in stack.fallbacks:
        replica.kill()
        await replica.ended(within_s=10)
    await stack.complete()
    listed = await trunkline(stack, "messages")
    there = {each["call_id"] for each in listed if each.get("kind") == "message" and _is_recorded(each)}
    return [f"the message of call {call_id} was not kept" for call_id in call_ids if call_id not in there]


def _is_recorded(message: dict[str, Any]) -> bool:
    file = Path(message["file"])
    return file.is_file() and file.stat().st_size >= message["duration_ms"] * _BYTES_PER_MS > 0


async def not_recovered(stack: Stack) -> list[str]:
    """The breakers and stages that do not trust their endpoints, a minute after these work again."""
    deadline = time.monotonic() + RECOVERED_WITHIN_S
    found = await _distrusted(stack)
    while found and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        found = await _distrusted(stack)
    return found


async def _distrusted(stack: Stack) -> list[str]:
    pages = [await scrape([replica]) for replica in stack.fallbacks]
    deciding = [page for page in pages if page.total("trunkline_breaker_deciding")]
    if len(deciding) != 1:
        return [f"{len(deciding)} replicas decide about breakers"]
    breakers = [
        f"the breaker of {each.labels['model']} is not closed"
        for each in deciding[0].of("trunkline_breaker_state")
        if each.value
    ]
    stages = [
        f"the stage {each.labels['stage']} is down"
        for page in pages
        for each in page.of("trunkline_stage_up")
        if not each.value
    ]
    return breakers + stages
