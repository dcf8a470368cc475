"""`trunkline messages`: what is listed, what is kept from the reader, and what deleting takes away."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.errors import StorageUnavailable
from common.left_messages import LeftMessage, delete, read_all
from trunkline.cli import cli

NUMBER = "+15550100123"


def leave(directory: Path, message_id: str, *, minute: int = 0, number: str = NUMBER, kind: str = "message") -> None:
    directory.mkdir(exist_ok=True)
    about = LeftMessage.model_validate(
        {
            "kind": kind,
            "message_id": message_id,
            "call_id": "CA1",
            "profile": "desk",
            "caller_number": number,
            "left_at": datetime(2026, 11, 30, 12, minute, tzinfo=UTC),
            "duration_ms": 4_200 if kind == "message" else 0,
        }
    )
    about.note_path(directory).write_text(about.model_dump_json(), "utf-8")
    if audio := about.audio_path(directory):
        audio.write_bytes(b"RIFF")


def run(*arguments: str, env: dict[str, str] | None = None) -> str:
    done = CliRunner().invoke(cli, ["messages", *arguments], standalone_mode=False, env=env)
    if done.exception is not None:
        raise done.exception
    return done.output


def events(*arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run(*arguments).splitlines()]


def test_messages_and_wishes_are_listed_the_newest_first(tmp_path: Path) -> None:
    leave(tmp_path, "message-a", minute=1)
    leave(tmp_path, "callback-b", minute=3, kind="callback")
    leave(tmp_path, "message-c", minute=2)
    header, *lines = run("--dir", str(tmp_path)).splitlines()
    assert header.split() == ["ID", "WHEN", "PROFILE", "CALLER", "LENGTH", "FILE"]
    assert [line.split()[0] for line in lines] == ["callback-b", "message-c", "message-a"]
    assert lines[0].endswith("wants to be called back")
    assert lines[1].endswith(f"desk     …0123   4.2 s   {tmp_path / 'message-c.wav'}")


def test_numbers_are_shown_whole_only_when_asked_for(tmp_path: Path) -> None:
    leave(tmp_path, "message-a")
    leave(tmp_path, "message-b", number="911")
    leave(tmp_path, "message-c", number="")
    for shown in (run("--dir", str(tmp_path)), run("--dir", str(tmp_path), "--json")):
        assert "0123" in shown
        assert "5550100123" not in shown
        assert "911" not in shown
    assert NUMBER in run("--dir", str(tmp_path), "--show-numbers")
    assert "withheld" in run("--dir", str(tmp_path))


def test_json_has_one_line_for_each(tmp_path: Path) -> None:
    leave(tmp_path, "message-a")
    (only,) = events("--dir", str(tmp_path), "--json", "--show-numbers")
    assert only == {
        "event": "message",
        "kind": "message",
        "message_id": "message-a",
        "call_id": "CA1",
        "profile": "desk",
        "left_at": "2026-11-30T12:00:00Z",
        "duration_ms": 4_200,
        "caller_number": NUMBER,
        "file": str(tmp_path / "message-a.wav"),
    }


def test_where_nothing_was_left_that_is_said(tmp_path: Path) -> None:
    assert run("--dir", str(tmp_path / "gone")) == f"no messages in {tmp_path / 'gone'}\n"
    assert run("--dir", str(tmp_path / "gone"), "--json") == ""


def test_the_setting_of_the_service_says_where(tmp_path: Path) -> None:
    leave(tmp_path / "kept", "message-a")
    assert "message-a" in run(env={"FALLBACK_MESSAGES": str(tmp_path / "kept")})


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[" * 10_000, b"\xff\xfe", b'{"message_id": 3}', b"x" * 100_000, None],
)
def test_a_file_that_is_no_message_is_named_and_hides_no_other(tmp_path: Path, content: bytes | None) -> None:
    leave(tmp_path, "message-a")
    if content is None:
        (tmp_path / "odd.json").mkdir()
    else:
        (tmp_path / "odd.json").write_bytes(content)
    (tmp_path / "message-b.part").write_bytes(b"{}\n")
    text = run("--dir", str(tmp_path))
    assert "message-a" in text
    assert "cannot be read: odd.json" in text
    assert "message-b" not in text


def test_a_message_under_another_name_is_not_taken_for_one(tmp_path: Path) -> None:
    leave(tmp_path, "message-a")
    (tmp_path / "message-a.json").rename(tmp_path / "message-b.json")
    assert [path.name for path in read_all(tmp_path).unreadable] == ["message-b.json"]


def test_what_a_carrier_calls_a_number_cannot_drive_the_terminal(tmp_path: Path) -> None:
    leave(tmp_path, "message-a", number="+1\x1b[2J\x07555")
    assert "\x1b" not in run("--dir", str(tmp_path), "--show-numbers")


def test_a_recording_that_is_gone_is_said(tmp_path: Path) -> None:
    leave(tmp_path, "message-a")
    (tmp_path / "message-a.wav").unlink()
    assert run("--dir", str(tmp_path)).rstrip().endswith("the recording is gone")


@pytest.mark.parametrize("is_before", [True, False])
def test_deleting_takes_the_recording_and_leaves_the_others(tmp_path: Path, is_before: bool) -> None:
    leave(tmp_path, "message-a")
    leave(tmp_path, "message-b")
    where, what = ["--dir", str(tmp_path)], ["delete", "message-a"]
    assert run(*((*where, *what) if is_before else (*what, *where))) == "deleted message-a\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["message-b.json", "message-b.wav"]


@pytest.mark.parametrize("message_id", ["message-z", "../message-a", "", "message-a.json", "/etc/passwd"])
def test_what_is_not_there_cannot_be_deleted_nor_anything_outside(tmp_path: Path, message_id: str) -> None:
    leave(tmp_path, "message-a")
    (tmp_path / "kept").mkdir()
    with pytest.raises(StorageUnavailable):
        delete(tmp_path / "kept", message_id)
    with pytest.raises(StorageUnavailable):
        run("delete", message_id, "--dir", str(tmp_path / "kept"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "message-a.json", "message-a.wav"]
