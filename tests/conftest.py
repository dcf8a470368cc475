"""Fixtures every test may use."""

from collections.abc import AsyncIterator

import pytest

from fakes.nats import running_nats


@pytest.fixture
async def nats_url() -> AsyncIterator[str]:
    """A real nats-server with JetStream, for one test."""
    async with running_nats() as url:
        yield url
