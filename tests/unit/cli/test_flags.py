"""`trunkline flags show` as a person reads it."""

import pytest

from common.bus.flag_bucket import FlagEntry
from trunkline.commands import flags
from trunkline.output import Output

AT = "2026-11-30T05:20:05.123456789Z"


def entry(name: str, text: str | None, revision: int = 1) -> FlagEntry:
    return FlagEntry(name, text, revision, AT)


def standing(capsys: pytest.CaptureFixture[str], *entries: FlagEntry) -> dict[str, str]:
    """What each flag's line says, by its name."""
    flags._show_standing({each.name: each for each in entries}, Output())
    _, *lines = capsys.readouterr().out.splitlines()
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}


def test_a_flag_that_is_not_set_says_what_counts_instead(capsys: pytest.CaptureFixture[str]) -> None:
    assert standing(capsys, entry("realtime.rollout", None)) == {
        "realtime.enabled": "not set each edge goes by its REALTIME_ENABLED",
        "realtime.rollout": "not set each edge goes by its REALTIME_ROLLOUT_PERCENTAGE",
        "fallback.enabled": "not set each edge goes by its REALTIME_FALLBACK_ENABLED",
    }


def test_flags_that_are_set_say_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    lines = standing(capsys, entry("realtime.rollout", "5"), entry("realtime.rollout.desk", "0"))
    assert (
        lines["realtime.rollout"] == lines["realtime.rollout.desk"].replace("0 ", "5 ", 1) == "5 2026-11-30T05:20:05Z"
    )


def test_what_makes_the_others_idle_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    lines = standing(capsys, entry("fallback.enabled", "false"))
    assert lines["fallback.enabled"].endswith("every call belongs to realtime, whatever the others say")


def test_garbage_is_shown_as_far_as_it_can_be_and_said_to_count_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = standing(capsys, entry("realtime.rollout", "\x1b[2Jx" * 100), entry("stranger", "1"))
    assert "\x1b" not in lines["realtime.rollout"]
    assert "?[2Jx" in lines["realtime.rollout"]
    assert "no edge goes by this: realtime.rollout: give a whole number from 0 to 100" in lines["realtime.rollout"]
    assert "no edge goes by this: no such flag" in lines["stranger"]


def test_the_last_changes_are_listed_and_not_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    changes = [entry("realtime.rollout", None if number % 2 else str(number), number) for number in range(50)]
    flags._show_changes(tuple(changes), Output())
    header, *lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert header.split() == ["CHANGED", "FLAG", "TO"]
    assert [line.split(maxsplit=2)[2].split()[-1] for line in lines[:3]] == ["0", "set", "2"]
    assert len(lines) == 20


def test_without_changes_there_is_no_list(capsys: pytest.CaptureFixture[str]) -> None:
    flags._show_changes((), Output())
    assert capsys.readouterr().out == ""
