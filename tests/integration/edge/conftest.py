"""Fixtures of the edge's integration tests."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from integration.edge.running import Stage, stage


@pytest.fixture
async def edge(nats_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """An edge in this process on a bus of its own."""
    async with stage(nats_url, tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing a peer does may end in a traceback or an error."""
    with caplog.at_level(logging.INFO):
        yield
    raised = [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert not raised, [record.getMessage() for record in raised]
