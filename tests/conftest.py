"""Fixtures every test may use, and how property tests are run."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from fakes.nats import running_nats

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("untimed")  # no test is about this machine's speed, which is shared


@pytest.fixture
async def nats_url() -> AsyncIterator[str]:
    """A real nats-server with JetStream, for one test."""
    async with running_nats() as url:
        yield url
