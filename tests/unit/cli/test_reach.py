"""Where a command looks for the bus."""

import os
from pathlib import Path

import pytest

from common.errors import ConfigError
from trunkline.fleet import reach
from trunkline.stack import state_file
from unit.cli.test_state_file import state


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory without a stack, and no NATS_URL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NATS_URL", raising=False)
    return tmp_path


def test_what_is_given_wins() -> None:
    assert reach.nats_url("nats://given:4222") == "nats://given:4222"


def test_then_the_stack_that_runs_here_then_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://set:4222")
    assert reach.nats_url(None) == "nats://set:4222"
    state_file.write(state(os.getpid()))
    assert reach.nats_url(None) == "nats://127.0.0.1:1"


def test_without_any_of_them_it_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"make up.*--nats-url"):
        reach.nats_url(None)


def test_credentials_in_the_address_are_not_shown() -> None:
    assert reach._shown("nats://me:secret@one:4222, two:4223") == "one:4222, two:4223"
