"""How each outage is made and ended: faults of the simulated OpenAI, killed replicas, turned flags."""

import asyncio
from collections.abc import Mapping
from typing import Any

from chaos.commands import trunkline
from chaos.processes import StackFailedError
from chaos.scrape import scrape
from chaos.stack import Stack


async def _faults(stack: Stack, *faults: Mapping[str, Any]) -> None:
    await stack.openai("POST", "faults", {"faults": list(faults)})


async def recover(stack: Stack) -> None:
    """Everything works again; who was in a black hole stays there."""
    await stack.openai("DELETE", "faults")


async def realtime_away(stack: Stack) -> None:
    """No session can be opened, and those that are open end."""
    await _faults(
        stack,
        {"kind": "refuse_upgrade", "status": 503},
        {"kind": "close", "code": 1011, "reason": "internal error", "target": {"sessions": "running"}},
    )


async def realtime_mute(stack: Stack) -> None:
    """Sessions open and stay; every answer fails."""
    await _faults(stack, {"kind": "failed_response"})


async def slow(stack: Stack) -> None:
    """First audio five times as late as by the script."""
    await _faults(stack, {"kind": "slow_first_audio", "ms": 1_500})


async def all_away(stack: Stack) -> None:
    """Realtime sessions as in `realtime_away`; chat, transcription and speech answer 503."""
    await realtime_away(stack)
    await _faults(stack, {"kind": "http_status", "status": 503})


async def black_hole(stack: Stack) -> None:
    """Everything is taken and nothing answered."""
    await _faults(
        stack,
        {"kind": "black_hole", "stage": "handshake"},
        {"kind": "black_hole", "target": {"sessions": "running"}},
        {"kind": "http_black_hole"},
    )


async def rate_limited(stack: Stack) -> None:
    """Sessions stay open, and every answer is refused for its rate, here and there."""
    await _faults(stack, {"kind": "rate_limit"}, {"kind": "http_status", "status": 429, "retry_after_s": 1})


async def kill_fallback(stack: Stack) -> None:
    """One of two, with every call it has."""
    stack.fallbacks[0].kill()


async def leader_dies_in_outage(stack: Stack) -> None:
    """The replica that decides is killed once the breaker is open."""
    await realtime_away(stack)
    await asyncio.sleep(4.0)
    await _kill_the_deciding(stack)


async def _kill_the_deciding(stack: Stack) -> None:
    for replica in stack.fallbacks:
        if (await scrape([replica])).total("trunkline_breaker_deciding"):
            replica.kill()
            return
    raise StackFailedError("no replica decides about breakers")


async def nothing(stack: Stack) -> None:
    """Time passes."""


async def to_legacy(stack: Stack) -> None:
    """New calls begin turn-based."""
    await trunkline(stack, "flags", "set", "realtime.rollout", "0")


async def to_realtime(stack: Stack) -> None:
    """New calls begin in realtime."""
    await trunkline(stack, "flags", "set", "realtime.rollout", "100")
