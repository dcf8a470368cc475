"""The command's small parts: logs, loudness, words, findings."""

import struct
import wave
from pathlib import Path

import pytest

from common.errors import TrunklineError
from trunkline.demo.recording import loudness
from trunkline.output import columns
from trunkline.stack import words
from trunkline.stack.logs import ProcessLogs
from trunkline.stack.supervision import AnnounceDrain, AnnounceMisconfigured, AnnounceRestart, BecameReady
from trunkline.stack.supervisor import Announcement


def test_a_process_that_gave_up_is_quoted_with_its_error_line(tmp_path: Path) -> None:
    with ProcessLogs(tmp_path / "logs") as logs:
        logs.write("edge-1", "error: EDGE_PORT is wrong")
        logs.write("edge-1", "bye")
        logs.write("worker-1", "cannot go on")
        assert logs.complaint("edge-1") == "EDGE_PORT is wrong"
        assert logs.complaint("worker-1") == "cannot go on"
        assert logs.complaint("nats") == "it ended without a word"
    assert (tmp_path / "logs" / "edge-1.log").read_text() == "error: EDGE_PORT is wrong\nbye\n"


def test_a_table_is_as_wide_as_its_content_and_leaves_empty_columns_out() -> None:
    rows = [("", "edge-1", "3"), ("", "worker-1", "12")]
    assert columns(("NAME", "PROCESS", "CALLS"), rows) == ["PROCESS   CALLS", "edge-1    3", "worker-1  12"]


def test_loudness_is_by_channel(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack("<hh", 1000, 0) * 100)
    assert loudness(path) == [pytest.approx(1000.0), 0.0]


def test_a_recording_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"RIFF")
    with pytest.raises(TrunklineError, match="cannot be read"):
        loudness(path)


def test_every_announcement_has_words_for_people_and_for_machines() -> None:
    said: list[Announcement] = [
        BecameReady("edge-1"),
        AnnounceRestart("worker-1", -9, 0.5),
        AnnounceRestart("worker-1", 1, 0.5),
        AnnounceRestart("worker-1", -300, 0.5),
        AnnounceRestart("worker-1", 0, 0.5),
        AnnounceMisconfigured("edge-1"),
        AnnounceDrain(("edge-1", "edge-2")),
    ]
    people = [words.in_words(one) for one in said]
    assert people[1] == "worker-1 died (killed by SIGKILL); starting it again in 0.5 s"
    assert "exit code 1" in people[2]
    assert "signal 300" in people[3]
    assert people[4] == "worker-1 ended of its own accord; starting a new one in 0.5 s"
    assert "edge-1, edge-2" in people[6]
    assert words.for_machines(said[1]) == ("restarting", {"process": "worker-1", "code": -9, "wait_s": 0.5})
    assert {words.for_machines(one)[0] for one in said} == {"ready", "restarting", "misconfigured", "draining"}
