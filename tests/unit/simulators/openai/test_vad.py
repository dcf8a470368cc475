"""Voice activity on real recordings, whatever the size of the pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.openai.realtime.vad import Edge, SpeechStarted, SpeechStopped, Vad, VadSettings
from simulators.people.recordings import load, load_all

CALLERS = [recording for recording in load_all() if "caller" in recording.name]
QUIET = b"\xff" * 8000


def heard(pcmu: bytes, piece: int = 160, settings: VadSettings | None = None) -> list[Edge]:
    vad = Vad(settings or VadSettings())
    return [edge for start in range(0, len(pcmu), piece) for edge in vad.feed(pcmu[start : start + piece])]


@pytest.mark.parametrize("recording", CALLERS, ids=lambda recording: recording.name)
def test_each_recorded_caller_is_one_turn(recording: object) -> None:
    pcmu: bytes = recording.pcmu  # type: ignore[attr-defined]
    started, stopped = heard(QUIET + pcmu + QUIET)
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert 700 - 60 <= started.audio_start_ms <= 700 + 400
    end_ms = 1000 + len(pcmu) // 8
    assert end_ms - 500 <= stopped.audio_end_ms - 500 <= end_ms


@settings(max_examples=20)
@given(st.integers(1, 4000))
def test_the_size_of_the_pieces_does_not_matter(piece: int) -> None:
    pcmu = QUIET + load("caller-2").pcmu + QUIET
    assert heard(pcmu, piece) == heard(pcmu)


def test_silence_and_clicks_are_no_speech() -> None:
    click = b"\x00" * 320
    assert heard(QUIET + click + QUIET + click + QUIET) == []


def test_a_higher_threshold_needs_louder_speech() -> None:
    pcmu = QUIET + load("caller-2").pcmu + QUIET
    deaf = VadSettings.of({"type": "server_vad", "threshold": 1.0, "prefix_padding_ms": 0, "silence_duration_ms": 500})
    keen = VadSettings.of({"type": "server_vad", "threshold": 0.3, "prefix_padding_ms": 0, "silence_duration_ms": 500})
    assert heard(pcmu, settings=keen)[0] != heard(pcmu, settings=deaf)[0]


def test_a_short_silence_duration_splits_a_turn_at_its_pauses() -> None:
    settings = VadSettings(silence_ms=120)
    assert len(heard(load("ja-caller-2").pcmu + QUIET, settings=settings)) > 2


def test_the_prefix_does_not_reach_into_the_turn_before() -> None:
    shout = b"\x00" * 1600
    edges = heard(shout + b"\xff" * 4000 + shout, settings=VadSettings(prefix_padding_ms=2000))
    assert edges == [SpeechStarted(0), SpeechStopped(700), SpeechStarted(700)]
