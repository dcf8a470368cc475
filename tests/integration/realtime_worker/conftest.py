"""The simulated OpenAI of this folder's tests: one process, which each test begins anew."""

from collections.abc import AsyncIterator, Iterator

import pytest

from integration.realtime_worker.openai_process import Simulator, begun_anew, simulating
from integration.realtime_worker.stage import SCRIPT, Stages


@pytest.fixture(scope="package")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The process; it takes longer to start than a test takes to run."""
    with simulating(SCRIPT, tmp_path_factory.mktemp("openai")) as openai:
        yield openai


@pytest.fixture
async def openai(simulator: Simulator) -> AsyncIterator[Simulator]:
    """The simulator without memory of other tests."""
    async with begun_anew(simulator) as openai:
        yield openai


@pytest.fixture
async def stage(openai: Simulator, nats_url: str) -> Stages:
    """Makes workers on a bus of this test's own."""
    return Stages(openai, nats_url)
