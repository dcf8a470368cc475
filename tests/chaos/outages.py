"""The outages of providers: what fails for how long, who calls meanwhile, which service levels the calls go through."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chaos import outage_deeds as deeds
from chaos.faults import Mark
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
FALLBACKS: Final = 2
AT_ONCE_MS: Final = 2_000.0
"""Of the issue: who waits for an answer when a provider fails gets one within this."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A metric that rises, with the labels it must have."""

    name: str
    labels: Mapping[str, str]


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
    """The sequences of levels a call of before may go through."""
    reaches: int
    """The level at least one of them comes to: else nothing has happened."""
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
    opens_at_most: int = 1
    """So often, while it gives calls to its provider; a probe that fails is no opening."""
    leaves_messages: bool = False
    """Every caller who called meanwhile leaves a message, which is there after all replicas were killed."""
    moves_talkers: bool = True
    """False: calls of before keep their talker."""
    one_talker_dies: bool = False
    """Its calls of before move, each once, and no other."""
    stays_open: bool = False
    """Once open, the breaker is said to be open until the end, whoever says so; more than one replica does."""
    counts: tuple[Counter, ...] = ()
    """What the replicas' metrics must have counted meanwhile."""
    calls_after: int = 0
    """Callers who call once it is over."""
    levels_after: tuple[tuple[int, ...], ...] = ((0,),)
    marks: tuple[Mark, ...] = ()
    """Speeds of the issue: shown with the verdict, never asserted, since machines differ."""
    starts_at: int = 0
    """The level at which calls of before begin."""


_LEAVE_A_MESSAGE: Final[tuple[Step, ...]] = (
    {"wait_for_agent_speech": {"timeout_ms": 10_000}},
    {"pause_ms": 5_000},
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
        begin=deeds.realtime_away,
        end=deeds.recover,
        lasts_s=15.0,
        talks_s=70.0,
        calls_during=2,
        levels=((0, 2, 0),),
        reaches=2,
        levels_during=((2, 0),),
        marks=(Mark("answered_ms", "p99", AT_ONCE_MS),),
    ),
    Outage(
        name="realtime_mute",
        what="realtime sessions stay open and every answer fails, for 15 s",
        begin=deeds.realtime_mute,
        end=deeds.recover,
        lasts_s=15.0,
        talks_s=70.0,
        levels=((0, 2, 0), (0,)),
        reaches=2,
        opens_at_most=3,  # a probe opens a session and asks nothing, so it works: the first calls of the ramp find out
    ),
    Outage(
        name="brown_out",
        what="first audio comes five times as late, for 2 minutes",
        begin=deeds.slow,
        end=deeds.recover,
        lasts_s=120.0,
        talks_s=140.0,
        levels=((0,), (0, 2, 0)),
        reaches=0,
    ),
    Outage(
        name="openai_away",
        what="everything at OpenAI answers 503 for 25 s; who calls meanwhile leaves a message",
        begin=deeds.all_away,
        end=deeds.recover,
        lasts_s=25.0,
        talks_s=85.0,
        calls_during=3,
        steps_during=_LEAVE_A_MESSAGE,
        levels=((0, 2, 3, 0), (0, 2, 3, 2, 0), (0, 3, 0), (0, 3, 2, 0)),
        reaches=3,
        levels_during=((2, 3), (3,), (2, 3, 2), (3, 2)),
        says=Prompt.TROUBLE,
        cause=LevelCause.STAGES_FAILED,
        leaves_messages=True,
        marks=(Mark("spoken_to_ms", "p99", AT_ONCE_MS), Mark("spoke_ms", "p99", AT_ONCE_MS)),
    ),
    Outage(
        name="openai_black_hole",
        what="everything at OpenAI takes what it is sent and answers nothing, for 20 s",
        begin=deeds.black_hole,
        end=deeds.recover,
        lasts_s=20.0,
        talks_s=85.0,
        levels=((0, 2, 3, 2, 0), (0, 2, 3, 0), (0, 3, 2, 0), (0, 3, 0), (0, 2, 0)),
        reaches=3,
    ),
    Outage(
        name="rate_limited",
        what="every answer of OpenAI is 429, for 12 s",
        begin=deeds.rate_limited,
        end=deeds.recover,
        lasts_s=12.0,
        talks_s=75.0,
        levels=((0, 2, 3, 0), (0, 3, 0), (0, 2, 3, 2, 0), (0, 3, 2, 0), (0, 2, 0), (0,)),
        reaches=3,
        says=Prompt.THROTTLED,
        cause=LevelCause.THROTTLED,
        may_trip=False,
        counts=(
            Counter("trunkline_provider_outcomes_total", {"verdict": "neither"}),
            Counter("trunkline_stage_attempts_total", {"result": "throttled"}),
        ),
    ),
    Outage(
        name="fallback_kill",
        what="one of two replicas that talk to all calls kill -9",
        begin=deeds.kill_fallback,
        end=deeds.nothing,
        lasts_s=0.0,
        talks_s=30.0,
        starts_at=2,
        levels=((2,),),
        reaches=2,
        may_trip=False,
        one_talker_dies=True,
    ),
    Outage(
        name="leader_kill",
        what="realtime away for 15 s, the replica that decides kill -9 meanwhile",
        begin=deeds.leader_dies_in_outage,
        end=deeds.recover,
        lasts_s=11.0,
        talks_s=75.0,
        levels=((0, 2, 0),),
        reaches=2,
        stays_open=True,
    ),
    Outage(
        name="rollout",
        what="realtime.rollout from 100 to 0 and back after 10 s",
        begin=deeds.to_legacy,
        end=deeds.to_realtime,
        lasts_s=10.0,
        talks_s=30.0,
        calls_during=4,
        levels=((0,),),
        reaches=0,
        levels_during=((2,),),
        moves_talkers=False,
        may_trip=False,
        calls_after=4,
    ),
)

BY_NAME: Final[Mapping[str, Outage]] = {outage.name: outage for outage in OUTAGES}
