"""The command line: what a failure looks like to a user."""

import re

import click
import pytest

from common.errors import ConfigError, UpstreamUnavailable
from trunkline import __main__ as entry
from trunkline.cli import cli

NAMES = {"up", "call", "calls", "ps", "drain", "handover", "breaker", "flags", "messages", "demo", "doctor"}


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("EDGE_PORT is wrong"), 2, "EDGE_PORT is wrong"),
        (UpstreamUnavailable("the bus is away"), 1, "the bus is away"),
        (click.UsageError("no such option"), 2, "no such option"),
        (OSError(28, "No space left on device"), 1, r"\[Errno 28\] No space left on device"),
        (ExceptionGroup("tasks", [ConfigError("inner")]), 2, "inner"),
        (ValueError("odd"), 1, r"ValueError: odd \(a bug; TRUNKLINE_TRACEBACK=1 shows where\)"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    error: Exception, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == code
    assert re.fullmatch(f"error: {line}\n", capsys.readouterr().err)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupted_command_is_silent(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == entry.EXIT_INTERRUPTED
    assert capsys.readouterr().err == ""


def test_every_command_has_help() -> None:
    assert set(cli.commands) == NAMES
    assert all(command.help for command in cli.commands.values())
