"""The state file: readable by its owner alone, and never mistaken for a running stack."""

import os
import stat
from pathlib import Path

import pytest

from common.errors import ConfigError
from trunkline.stack import state_file
from trunkline.stack.state_file import StackState


def state(pid: int) -> StackState:
    return StackState(
        pid=pid,
        nats_url="nats://127.0.0.1:1",
        edge_port=8080,
        public_base_url="https://voice.example.com",
        voice_url="https://voice.example.com/twilio/voice",
        account_sid="AC" + "1" * 32,
        auth_token="made-up",
        uses_simulated_model=True,
        processes={"edge-1": 9101},
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "run" / "stack.json"
    state_file.write(state(os.getpid()), path)
    assert state_file.read(path) == state(os.getpid())
    assert state_file.read(path).local_voice_url == "http://127.0.0.1:8080/twilio/voice"


def test_only_the_owner_may_read_it_even_over_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text("{}")
    path.chmod(0o644)
    state_file.write(state(os.getpid()), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "not json", '{"pid": 1}'])
def test_a_missing_or_foreign_file_is_no_running_stack(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "stack.json"
    if content is not None:
        path.write_text(content)
    assert state_file.running(path) is None
    with pytest.raises(ConfigError):
        state_file.read(path)


def test_a_stack_whose_process_is_gone_is_not_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int, signal: int) -> None:
        raise ProcessLookupError

    path = tmp_path / "stack.json"
    state_file.write(state(1), path)
    monkeypatch.setattr(os, "kill", gone)
    with pytest.raises(ConfigError, match="has ended"):
        state_file.read(path)
