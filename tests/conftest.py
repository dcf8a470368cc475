"""Fixtures every test may use, how property tests are run, and what becomes of tests that wait for ever."""

import signal
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from fakes.nats import running_nats
from waiting_tasks import describe

_LIMIT = pytest.StashKey[Any]()
_AGAIN_AFTER_S = 30

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("untimed")  # no test is about this machine's speed, which is shared


@pytest.fixture
async def nats_url() -> AsyncIterator[str]:
    """A real nats-server with JetStream, for one test."""
    async with running_nats() as url:
        yield url


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    """Know the limit that pytest-timeout sets."""
    item.stash[_LIMIT] = settings


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """The fixtures of a test that failed by its limit may wait as well: give them one, and let the alarm ring again."""
    settings = item.stash.get(_LIMIT, None)
    if settings is not None and settings.method == "signal":
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, _AGAIN_AFTER_S)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a test that failed by its limit tell the tasks too: its thread only waits for its loop."""
    report = yield
    if call.excinfo is not None and "from pytest-timeout" in str(call.excinfo.value):
        report.sections.append(("Tasks that wait", describe()))
    return report
