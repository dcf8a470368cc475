"""Who calls, where the call belongs, and where it is when another stream of it comes."""

from typing import cast

import pytest

from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.messages.facts import LevelCause, ServiceLevelChanged
from common.messages.offers import HandoverReason
from common.profile import AgentProfile
from common.subjects import Pool
from edge.belonging import steering_for
from edge.call import Before, Caller, Surroundings
from edge.conversation import CallMemory
from edge.core.arbitration import Talker
from edge.registry import Registry

PROFILE = AgentProfile(name="desk", greeting="Hello.", instructions="Be brief.")
CALLER = Caller("CA1", "+15550100123", "+15550100200", PROFILE)
KNOWN = {"worker": "realtime", "fallback": "fallback"}


def around(home: Pool, *, enabled: bool = True, there: bool = True) -> Surroundings:
    """Surroundings of which only what is asked here is real: nothing else may be touched."""

    def home_of(call_id: str, profile: str) -> Pool:
        assert (call_id, profile) == ("CA1", "desk")
        return home

    nobody = object()
    return Surroundings(
        "edge-1",
        cast(Bus, nobody),
        cast(FactWriter, nobody),
        cast(Batcher, nobody),
        cast(Registry, nobody),
        pool_of=lambda talker_id: cast("Pool | None", KNOWN.get(talker_id)),
        takes_calls=lambda _: there,
        home_of=home_of,
        is_fallback_enabled=lambda: enabled,
    )


def before(talker_id: str = "", level: int = 0, home: Pool | None = None) -> Before:
    memory = CallMemory()
    if level:
        cause = LevelCause.PROVIDER_FAILED
        memory.add(ServiceLevelChanged(call_id="CA1", epoch=1, level=level, before=0, cause=cause))
    return Before(memory, 1, Talker(talker_id, 1) if talker_id else None, 0, home=home)


@pytest.mark.parametrize("home", ["realtime", "fallback"])
def test_a_new_call_is_where_the_flags_have_it(home: Pool) -> None:
    steering = steering_for(CALLER, around(home), None)
    assert (steering.home, steering.pool) == (home, home)


@pytest.mark.parametrize("home", ["realtime", "fallback"])
def test_a_call_that_goes_on_keeps_the_home_it_had(home: Pool) -> None:
    other: Pool = "fallback" if home == "realtime" else "realtime"
    assert steering_for(CALLER, around(other), before(home=home)).home == home
    assert steering_for(CALLER, around(home), before()).home == home, "unless nobody knows it any more"


@pytest.mark.parametrize(
    ("talker_id", "level", "pool"),
    [
        ("fallback", 0, "fallback"),
        ("worker", 2, "realtime"),
        ("unheard-of", 2, "fallback"),
        ("unheard-of", 1, "realtime"),
        ("", 3, "fallback"),
        ("", 0, "realtime"),
        ("", 4, "realtime"),
    ],
)
def test_a_call_is_where_its_talkers_heartbeats_are_or_else_where_its_level_is(
    talker_id: str, level: int, pool: Pool
) -> None:
    assert steering_for(CALLER, around("realtime"), before(talker_id, level)).pool == pool


@pytest.mark.parametrize(
    ("enabled", "there", "first"), [(True, True, "fallback"), (False, True, "realtime"), (True, False, "realtime")]
)
def test_a_fallback_that_is_disabled_or_not_there_gets_no_call(enabled: bool, there: bool, first: Pool) -> None:
    steering = steering_for(CALLER, around("fallback", enabled=enabled, there=there), None)
    steering.begin(HandoverReason.START)
    assert steering.course(is_silent=True).pool == first


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("+15550100123", "+15550100123"),
        ("+266696687", ""),
        ("+86282452253", ""),
        ("Anonymous", ""),
        ("anonymous@example.com", ""),
        ("", ""),
        ("+0", ""),
    ],
)
def test_a_withheld_number_is_none(given: str, number: str) -> None:
    assert Caller("CA1", given, "+15550100200", PROFILE).number == number
