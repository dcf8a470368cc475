"""The short form of the outages of `make chaos`: some, one after another in the same stack, held to correctness only.

No time is asserted: this machine's speed is not what is tested. The seed is printed with a failure and chooses what
every caller says and when; `CHAOS_SEED` repeats it.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import pytest
import pytest_asyncio

from chaos.outage_report import outage_remarks
from chaos.outage_round import play, size_for
from chaos.outages import BY_NAME
from chaos.round import Scale
from chaos.stack import Size, Stack, running

SEED = int(os.environ.get("CHAOS_SEED", SystemRandom().randrange(1_000_000)))
CALLS = 20
FEW = 6
"""Where it is about what is done, not about how many it is done for."""
PATIENCE_S = 15.0
"""A machine that is busy with something else for three seconds is no outage of a provider's."""

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole system to start as well


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The whole system as processes, for all tests of this file."""
    scratch: Path = tmp_path_factory.mktemp("outages")
    size = Size(workers=2, edges=2, calls_per_worker=2 * CALLS, warm_sessions=FEW, stage_timeout_s=PATIENCE_S)
    async with running(size_for(size, Scale(CALLS, SEED)), scratch) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "calls", "lasts_s", "talk_s"),
    [
        ("realtime_away", CALLS, 8.0, 55.0),
        ("openai_away", FEW, 16.0, 46.0),
        ("fallback_kill", FEW, 0.0, 12.0),
        ("rollout", FEW, 7.0, 16.0),
    ],
)
async def test_no_call_is_lost_or_forgets_and_all_come_back(
    stack: Stack, name: str, calls: int, lasts_s: float, talk_s: float
) -> None:
    outage = replace(BY_NAME[name], lasts_s=lasts_s)
    row = await play(stack, outage, Scale(calls, SEED, arriving_s=3.0, talk_s=talk_s))
    assert row["is_correct"], "\n".join([f"seed {SEED}", *outage_remarks(row)])
    assert row["held"] == row["offered"] == calls + outage.calls_during + outage.calls_after


@pytest.mark.skipif("CHAOS_ALL" not in os.environ, reason="twelve minutes more: set CHAOS_ALL=1, or run `make chaos`")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", ["realtime_mute", "brown_out", "openai_black_hole", "rate_limited", "leader_kill"])
async def test_so_it_is_in_the_outages_that_take_longer(stack: Stack, name: str) -> None:
    row = await play(stack, BY_NAME[name], Scale(FEW, SEED, arriving_s=3.0))
    assert row["is_correct"], "\n".join([f"seed {SEED}", *outage_remarks(row)])
