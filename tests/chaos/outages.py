"""The outages of providers: what fails for how long, who calls meanwhile, which service levels the calls go through."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaos.commands import trunkline
from chaos.people import Step
from chaos.stack import Stack
from common.messages.facts import LevelCause
from common.prompt_names import Prompt

Deed = Callable[[Stack], Awaitable[None]]

QUICK: Final = (
    ("FALLBACK_BREAKER_OPEN_S", "1"),
    ("FALLBACK_BREAKER_OPEN_AT_MOST_S", "2"),
    ("FALLBACK_BREAKER_PROBES", "3"),
    ("FALLBACK_BREAKER_RAMP_STEP_S", "2"),
    ("FALLBACK_BREAKER_DWELL_S", "5"),
    ("FALLBACK_LOWERED_AT_LEAST_S", "15"),
)
"""What takes minutes by default takes seconds here; what is judged stays the same. Shown with the figures."""
RAMP_S: Final = 30.0
"""By these settings a call whose provider works again is back within: dwell, probes, four steps, a quiet moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One row. Whatever fails, no call is lost and none forgets what was said."""

    name: str
    what: str
    begin: Deed
    end: Deed
    lasts_s: float
    talks_s: float
    """How long the callers of before talk: until after the end, so that they can come back."""
    levels: tuple[tuple[int, ...], ...]
    """The sequences of levels a call of before may go through; at least one goes through the first of these."""
    levels_during: tuple[tuple[int, ...], ...] = ()
    calls_during: int = 0
    """Callers who call while it lasts."""
    steps_during: tuple[Step, ...] = ()
    """What they do, instead of talking."""
    is_home_again: bool = True
    """All calls of before are back at their first level in the end."""
    says: Prompt | None = None
    """A prompt every call that came to the menu must have heard."""
    cause: LevelCause | None = None
    """Why calls come to the menu."""
    may_trip: bool = True
    """A breaker may open."""
    leaves_messages: bool = False
    """Every caller who called meanwhile leaves a message, which is there after all replicas were killed."""
    moves_talkers: bool = True
    """False: calls of before keep their talker."""
    starts_at: int = 0
    """The level at which calls of before begin."""


async def _faults(stack: Stack, *faults: Mapping[str, Any]) -> None:
    await stack.openai("POST", "faults", {"faults": list(faults)})


async def _recover(stack: Stack) -> None:
    await stack.openai("DELETE", "faults")


async def _realtime_away(stack: Stack) -> None:
    """No session can be opened, and those that are open end."""
    await _faults(
        stack,
        {"kind": "refuse_upgrade", "status": 503},
        {"kind": "close", "code": 1011, "reason": "internal error", "target": {"sessions": "running"}},
    )


async def _realtime_mute(stack: Stack) -> None:
    """Sessions open and stay; every answer fails."""
    await _faults(stack, {"kind": "failed_response"})


async def _slow(stack: Stack) -> None:
    """First audio five times as late as by the script."""
    await _faults(stack, {"kind": "slow_first_audio", "ms": 1_500})


async def _all_away(stack: Stack) -> None:
    await _realtime_away(stack)
    await _faults(stack, {"kind": "http_status", "status": 503})


async def _black_hole(stack: Stack) -> None:
    """Everything is taken and nothing answered."""
    await _faults(
        stack,
        {"kind": "black_hole", "stage": "handshake"},
        {"kind": "black_hole", "target": {"sessions": "running"}},
        {"kind": "http_black_hole"},
    )


async def _rate_limited(stack: Stack) -> None:
    await _faults(stack, {"kind": "rate_limit"}, {"kind": "http_status", "status": 429, "retry_after_s": 1})


async def _kill_fallback(stack: Stack) -> None:
    """One of two, with every call it has."""
    stack.fallbacks[0].kill()


async def _leader_dies_in_outage(stack: Stack) -> None:
    """The replica that decides is killed once the breaker is open."""
    await _realtime_away(stack)
    await asyncio.sleep(4.0)
    deciding = next(each for each in stack.fallbacks if _decides(each.log.read_text(errors="replace")))
    deciding.kill()


def _decides(log: str) -> bool:
    return log.rfind("this replica decides") > log.rfind("this replica stands by")


async def _nothing(stack: Stack) -> None:
    """Time passes."""


async def _to_legacy(stack: Stack) -> None:
    await trunkline(stack, "flags", "set", "realtime.rollout", "0")


async def _to_realtime(stack: Stack) -> None:
    await trunkline(stack, "flags", "set", "realtime.rollout", "100")


_LEAVE_A_MESSAGE: Final[tuple[Step, ...]] = (
    {"wait_for_agent_speech": {"timeout_ms": 10_000}},
    {"pause_ms": 3_000},
    {"dtmf": "2"},
    {"pause_ms": 7_000},
    {"say": "caller-2"},
    {"dtmf": "#"},
    {"wait_for_agent_speech": {"timeout_ms": 10_000}},
    "hangup",
)

OUTAGES: Final = (
    Outage(
        name="realtime_away",
        what="realtime sessions end and none can be opened, for 15 s",
        begin=_realtime_away,
        end=_recover,
        lasts_s=15.0,
        talks_s=70.0,
        calls_during=2,
        levels=((0, 2, 0),),
        levels_during=((2, 0),),
    ),
    Outage(
        name="realtime_mute",
        what="realtime sessions stay open and every answer fails, for 15 s",
        begin=_realtime_mute,
        end=_recover,
        lasts_s=15.0,
        talks_s=70.0,
        levels=((0, 2, 0), (0,)),
    ),
    Outage(
        name="brown_out",
        what="first audio comes five times as late, for 2 minutes",
        begin=_slow,
        end=_recover,
        lasts_s=120.0,
        talks_s=140.0,
        levels=((0,), (0, 2, 0)),
    ),
    Outage(
        name="openai_away",
        what="everything at OpenAI answers 503 for 25 s; who calls meanwhile leaves a message",
        begin=_all_away,
        end=_recover,
        lasts_s=25.0,
        talks_s=85.0,
        calls_during=3,
        steps_during=_LEAVE_A_MESSAGE,
        levels=((0, 2, 3, 0), (0, 2, 3, 2, 0), (0, 3, 0), (0, 3, 2, 0)),
        levels_during=((2, 3), (3,), (2, 3, 2), (3, 2)),
        says=Prompt.TROUBLE,
        cause=LevelCause.STAGES_FAILED,
        leaves_messages=True,
    ),
    Outage(
        name="openai_black_hole",
        what="everything at OpenAI takes what it is sent and answers nothing, for 20 s",
        begin=_black_hole,
        end=_recover,
        lasts_s=20.0,
        talks_s=85.0,
        levels=((0, 2, 3, 2, 0), (0, 2, 3, 0), (0, 3, 2, 0), (0, 3, 0), (0, 2, 0)),
    ),
    Outage(
        name="rate_limited",
        what="every answer of OpenAI is 429, for 12 s",
        begin=_rate_limited,
        end=_recover,
        lasts_s=12.0,
        talks_s=75.0,
        levels=((0, 2, 3, 0), (0, 3, 0), (0, 2, 3, 2, 0), (0, 3, 2, 0), (0, 2, 0), (0,)),
        says=Prompt.THROTTLED,
        cause=LevelCause.THROTTLED,
        may_trip=False,
    ),
    Outage(
        name="fallback_kill",
        what="one of two replicas that talk to all calls kill -9",
        begin=_kill_fallback,
        end=_nothing,
        lasts_s=0.0,
        talks_s=25.0,
        starts_at=2,
        levels=((2,),),
        may_trip=False,
    ),
    Outage(
        name="leader_kill",
        what="realtime away for 15 s, the replica that decides kill -9 meanwhile",
        begin=_leader_dies_in_outage,
        end=_recover,
        lasts_s=11.0,
        talks_s=75.0,
        levels=((0, 2, 0),),
    ),
    Outage(
        name="rollout",
        what="realtime.rollout from 100 to 0 and back after 10 s",
        begin=_to_legacy,
        end=_to_realtime,
        lasts_s=10.0,
        talks_s=30.0,
        calls_during=4,
        levels=((0,),),
        levels_during=((2,),),
        moves_talkers=False,
        may_trip=False,
    ),
)

BY_NAME: Final[Mapping[str, Outage]] = {outage.name: outage for outage in OUTAGES}
