"""The short form of `make chaos`: some faults, one after another in the same stack, held to correctness only.

No time is asserted: this machine's speed is not what is tested. The seed is printed with a failure and chooses what
every caller says and when; `CHAOS_SEED` repeats it.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from random import SystemRandom

import pytest
import pytest_asyncio

from chaos.command import size
from chaos.faults import BY_NAME
from chaos.report import remarks
from chaos.round import Scale, play
from chaos.stack import Stack, running

CALLS = 20
SEED = int(os.environ.get("CHAOS_SEED", SystemRandom().randrange(1_000_000)))
SELECTION = (
    "worker_kill",
    "edge_kill",
    "nats_node_kill",
)
"""Frozen talkers are in `test_noticing.py` as well, half-open links in `test_broken_network.py`, sessions that the
provider ends among the outages (`test_outages.py`); `make chaos` has them all."""

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole system to start as well


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The whole system as processes, for all tests of this file."""
    scratch: Path = tmp_path_factory.mktemp("chaos")
    async with running(size(CALLS), scratch) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SELECTION)
async def test_nothing_is_lost_doubled_forgotten_or_leaked(stack: Stack, name: str) -> None:
    row = await play(stack, BY_NAME[name], Scale(CALLS, SEED, arriving_s=5.0, talk_s=18.0))
    assert row["is_correct"], "\n".join([f"seed {SEED}", *remarks(row)])
    assert row["held"] == row["offered"] == CALLS
