"""The arbiter under random schedules: deaths, hangs, delays, reorderings, lost messages, second streams, outages.

Every run explores other schedules. `TRUNKLINE_SCHEDULES_SEED=…` explores the same ones again, and a failure names the
one schedule, which `TRUNKLINE_SCHEDULE=<kind>:<number>` runs alone.
"""

import os
import secrets
from typing import Final

import pytest

from unit.edge.schedule_world import Weather, World

SEED: Final = os.environ.get("TRUNKLINE_SCHEDULES_SEED") or str(secrets.randbelow(1_000_000_000))
ONLY: Final = os.environ.get("TRUNKLINE_SCHEDULE", "")
SCHEDULES_PER_KIND: Final = 2_600

TALKER_TROUBLE: Final = (
    "talker dies",
    "talker hangs",
    "talker is cut off",
    "talker is accused",
    "talker is lame",
    "talker fails",
    "upstream fails",
    "provider goes down",
    "may go home",
    "quiet",
    "instructions",
)
PLANNED_TROUBLE: Final = (
    "talker drains",
    "session ages",
    "operator orders",
    "may go home",
    "quiet",
    "busy",
    "talker dies",
    "talker hangs",
    "upstream fails",
    "instructions",
)
EDGE_TROUBLE: Final = (
    "leg breaks",
    "leg breaks",
    "edge dies",
    "second stream",
    "talker dies",
    "session ages",
    "quiet",
    "instructions",
)
BUS_TROUBLE: Final = (
    "edge is cut off",
    "edge is cut off",
    "talker is cut off",
    "leg breaks",
    "session ages",
    "talker dies",
    "quiet",
    "busy",
    "instructions",
)
PROVIDER_TROUBLE: Final = (
    "provider goes down",
    "provider goes down",
    "provider is back",
    "stages fail",
    "stages work",
    "may go home",
    "may go home",
    "upstream fails",
    "talker fails",
    "talker dies",
    "talker hangs",
    "session ages",
    "quiet",
    "busy",
)
KINDS: Final = {
    weather.name: weather
    for weather in (
        Weather("talkers", TALKER_TROUBLE, lost=0.05, late=0.1, twice=0.05),
        Weather("planned", PLANNED_TROUBLE, lost=0.05, late=0.1, twice=0.05),
        Weather("edges", EDGE_TROUBLE, lost=0.05, late=0.1, twice=0.05),
        Weather("bus", BUS_TROUBLE, lost=0.02, late=0.1, twice=0.1),
        Weather("providers", PROVIDER_TROUBLE, fallback=0.85, every_s=2.0),
    )
}


def numbers(kind: str) -> range:
    """Which schedules of a kind to run."""
    if not ONLY:
        return range(SCHEDULES_PER_KIND)
    only, _, number = ONLY.partition(":")
    return range(int(number), int(number) + 1) if only == kind else range(0)


@pytest.mark.parametrize("kind", KINDS)
def test_one_voice_rising_epochs_and_nothing_forgotten_in_every_schedule(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts = heard = adoptions = in_fallback = abandoned = 0
    for number in numbers(kind):
        world = World(f"{SEED}:{kind}:{number}", KINDS[kind])
        try:
            world.run()
            world.settle()
        except Exception as error:
            again = f"TRUNKLINE_SCHEDULES_SEED={SEED} TRUNKLINE_SCHEDULE={kind}:{number}"
            raise AssertionError(f"{error} (again with {again})") from error
        cuts, heard, adoptions = cuts + world.cuts, heard + world.heard, adoptions + world.adoptions
        in_fallback, abandoned = in_fallback + world.in_fallback, abandoned + world.abandoned
    with capsys.disabled():
        found = f"{cuts} cuts ({in_fallback} to fallback), {abandoned} abandoned, {adoptions} adoptions, heard {heard}"
        print(f" [{len(numbers(kind))} schedules of {kind}: {found}; TRUNKLINE_SCHEDULES_SEED={SEED}] ", end="")
    assert ONLY or min(cuts, heard) > SCHEDULES_PER_KIND, "a world in which nothing happens proves nothing"
    assert ONLY or in_fallback > SCHEDULES_PER_KIND / 10
    assert ONLY or kind != "providers" or min(in_fallback, abandoned) > SCHEDULES_PER_KIND / 10
    assert ONLY or kind not in ("edges", "bus") or adoptions > SCHEDULES_PER_KIND / 10


def test_there_are_ten_thousand_schedules_a_run() -> None:
    assert SCHEDULES_PER_KIND * len(KINDS) >= 10_000
