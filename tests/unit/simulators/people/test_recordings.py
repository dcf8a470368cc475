"""The voices: complete, readable, loud enough, small enough to be committed."""

import struct

import pytest

from simulators.people import recordings
from simulators.people.pcmu import audible_span_ms
from simulators.people.wav import read_pcmu

CALLERS = {f"caller-{number}" for number in range(1, 6)}
MAX_BYTES = 2_000_000


def test_every_recording_of_the_index_loads_and_its_length_follows_from_its_bytes() -> None:
    for recording in recordings.load_all():
        assert recording.duration_ms == len(recording.pcmu) / 8
        assert recording.text
        assert recording.language in {"en", "ja"}
        assert recording.made_with


def test_the_five_human_callers_and_agents_of_both_languages_are_there() -> None:
    names = {recording.name for recording in recordings.load_all()}
    assert names >= CALLERS | {"agent-greeting", "ja-agent-greeting", "ja-caller-1"}
    assert recordings.load("caller-2").duration_ms == 2990


def test_every_recording_is_audible_nearly_from_its_beginning_to_its_end() -> None:
    for recording in recordings.load_all():
        start_ms, end_ms = audible_span_ms(recording.pcmu)
        assert start_ms <= 260, recording.name
        assert end_ms >= recording.duration_ms - 260, recording.name


def test_one_agent_line_is_long_enough_to_be_interrupted() -> None:
    assert 10_000 <= recordings.load("agent-opening-hours").duration_ms <= 14_000


def test_the_data_stay_small() -> None:
    assert sum(len(recording.pcmu) for recording in recordings.load_all()) < MAX_BYTES


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="caller-1"):
        recordings.load("caller-9")


def _wav(tag: int, payload: bytes, rate: int = 8000) -> bytes:
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, 1, rate, rate, 1, 8)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(payload)) + payload
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def test_a_mulaw_wav_gives_its_samples() -> None:
    assert read_pcmu(_wav(7, b"\xff\x01\x02")) == b"\xff\x01\x02"


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", _wav(1, b"\x00"), _wav(7, b"\x00", rate=16000), _wav(7, b"\x00" * 20)[:-4]],
    ids=["empty", "no wave", "linear", "16 kHz", "cut short"],
)
def test_any_other_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not|cut short"):
        read_pcmu(data)
