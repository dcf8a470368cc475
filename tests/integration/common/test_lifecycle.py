"""The runner, as the operating system sees it: a real process, real signals, a real ops port."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.nats import free_port

TESTS = Path(__file__).parents[2]
TINY = [sys.executable, "-m", "fakes.tiny_service"]
KEY = "tiny-key-nobody-may-see"
PATIENCE_S = 30.0


class Process:
    """A running tiny service, its log read line by line."""

    def __init__(self, **settings: str) -> None:
        self._process = subprocess.Popen(
            TINY, cwd=TESTS, env=_environment(**settings), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[dict[str, Any]] = []

    def until(self, message: str) -> dict[str, Any]:
        """Read the log up to the line with this message."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["message"] == message:
                return self.lines[-1]
        raise AssertionError(f"ended without saying {message!r}: {self.lines}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    @property
    def is_running(self) -> bool:
        """False once it has ended."""
        return self._process.poll() is None

    def end(self) -> int:
        """Wait for its end, reading the rest of its log; the exit code."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        self.lines += [json.loads(line) for line in self._process.stderr]
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """Leave nothing behind."""
        with self._process:
            self._process.kill()

    @property
    def messages(self) -> list[str]:
        """What it logged, so far as read."""
        return [line["message"] for line in self.lines]


@contextlib.contextmanager
def tiny(**settings: str) -> Iterator[Process]:
    process = Process(**settings)
    try:
        yield process
    finally:
        process.close()


def refused(**settings: str) -> subprocess.CompletedProcess[str]:
    """A process that is expected to end by itself."""
    environment = _environment(**settings)
    return subprocess.run(
        TINY, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def _environment(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TINY_KEY": KEY} | {name.upper(): value for name, value in settings.items()}


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


# --- a whole life -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_starts_serves_its_ops_port_drains_at_a_signal_and_ends_with_0(number: signal.Signals) -> None:
    with tiny() as process:
        port = process.until("ready")["ops_port"]
        assert get(port, "/livez") == (200, "ok")
        assert get(port, "/readyz") == (200, "ok")
        status, body = get(port, "/metrics")
        assert status == 200
        assert 'trunkline_build_info{service="tiny",version=' in body
        assert 'trunkline_loop_lag_seconds{service="tiny"}' in body
        process.send(number)
        assert process.end() == 0
    assert process.messages[-3:] == ["tiny drains", "tiny stops", "stopped"]


def test_while_draining_a_process_is_alive_but_not_ready_and_a_second_signal_ends_it_at_once() -> None:
    with tiny(tiny_drain="never") as process:
        port = process.until("ready")["ops_port"]
        process.send(signal.SIGTERM)
        process.until("tiny drains")
        assert get(port, "/livez") == (200, "ok")
        assert get(port, "/readyz") == (503, "draining")
        assert 'trunkline_draining{service="tiny"} 1.0' in get(port, "/metrics")[1]
        process.send(signal.SIGTERM)
        assert process.end() == 0
    assert process.messages[-2:] == ["tiny stops", "stopped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_last_moments_does_not_turn_a_clean_end_into_a_failure(number: signal.Signals) -> None:
    with tiny(tiny_lingers="1") as process:
        process.until("ready")
        process.send(signal.SIGTERM)
        process.until("tiny lingers")
        process.send(number)
        assert process.end() == 0


@pytest.mark.parametrize("attempt", range(5))
def test_signals_all_the_way_to_the_end_do_not_turn_a_clean_end_into_a_failure(attempt: int) -> None:
    """A signal may be given to any thread: blocking it in the one that changes its handler is not enough."""
    with tiny(tiny_threads="20") as process:
        process.until("ready")
        while process.is_running:
            process.send(signal.SIGTERM)
        assert process.end() == 0


def test_while_starting_a_process_is_alive_but_not_ready_and_a_signal_ends_it_without_a_drain() -> None:
    port = free_port()
    with tiny(tiny_start="never", tiny_ops_port=str(port)) as process:
        process.until("starting with [secret]")
        assert get(port, "/livez") == (200, "ok")
        assert get(port, "/readyz") == (503, "starting")
        process.send(signal.SIGTERM)
        assert process.end() == 0
    assert "tiny drains" not in process.messages
    assert process.messages[-2:] == ["tiny stops", "stopped"]


def test_a_start_that_crashes_ends_the_process_with_1_after_stopping_what_had_started() -> None:
    ended = refused(tiny_start="crash")
    assert ended.returncode == 1
    assert "tiny stops" in ended.stderr


def test_no_log_line_shows_a_secret() -> None:
    with tiny() as process:
        process.until("ready")
        process.send(signal.SIGTERM)
        process.end()
    assert KEY not in json.dumps(process.lines)
    assert "starting with [secret]" in process.messages


# --- what the operator must mend --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"tiny_key": ""}, "error: TINY_KEY is required but not set"),
        ({"tiny_key": "short"}, "error: TINY_KEY: Value should have at least 8 items after validation, not 5"),
        ({"tiny_drian": "never"}, "error: TINY_DRIAN is not a setting of this service; did you mean TINY_DRAIN?"),
        ({"tiny_ops_port": "many"}, "error: TINY_OPS_PORT: Input should be a valid integer"),
        ({"log_format": "xml"}, "error: LOG_FORMAT: String should match pattern '^(json|text)$'"),
    ],
)
def test_a_wrong_setting_ends_the_process_with_2_and_one_line_that_names_it(
    settings: dict[str, str], line: str
) -> None:
    ended = refused(**settings)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (said,) = ended.stderr.splitlines()
    assert said.startswith(line)


def test_a_setting_found_wrong_while_starting_ends_the_process_with_2_and_names_it_last() -> None:
    ended = refused(tiny_start="refuse")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == "error: TINY_START: refused"
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_ends_the_process_with_2_and_one_line_that_names_the_setting() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        ended = refused(tiny_ops_port=str(port))
    assert ended.returncode == 2
    (said,) = ended.stderr.splitlines()
    assert said == f"error: TINY_OPS_PORT: cannot listen on 0.0.0.0:{port}: Address already in use"
