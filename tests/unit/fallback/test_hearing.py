"""Turns out of audio: human recordings, the detector that is used in calls, and the talker that reads the positions."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.pcmu import BYTES_PER_MS, SILENCE, silence
from common.profile import SemanticVad, ServerVad, TurnDetection
from fallback.core.endpointing import PIECE_MS
from fallback.core.hearing import PIECE_BYTES, CallerBegan, CallerEnded, Heard, Hearing
from fallback.pipeline.detector import SpeechDetector, SpeechModel
from fallback.pipeline.pcmu_codec import from_samples, to_samples
from simulators.people import recordings
from simulators.people.pcmu import audible_span_ms, loudness
from talker.core.caller_turns import CallerTurns, Span
from talker.core.leg_clock import LegClock

HUMANS = tuple(each for each in recordings.load_all() if each.name.startswith("caller-"))
ONE_TURN = ServerVad(prefix_padding_ms=300, silence_duration_ms=1_000)
"""People pause within what they read; this is longer."""
GOOD_EAR = SpeechModel()
FRAME = 160
LEAD_MS = 1_000
VOICED = 400.0
"""So loud is a vowel; the readers' breath and the breath of an h are less."""


def voiced_ms(pcmu: bytes) -> int:
    """Where the first vowel begins."""
    return next(at for at in range(0, len(pcmu), FRAME) if loudness(pcmu[at : at + FRAME]) >= VOICED) // BYTES_PER_MS


def begins_in(start_ms: int, pcmu: bytes) -> bool:
    """True if that is the beginning of the recording's first word: not before its breath, not after its vowel."""
    return audible_span_ms(pcmu)[0] - PIECE_MS <= start_ms <= voiced_ms(pcmu) + 150


def heard(hearing: Hearing, pcmu: bytes, size: int = FRAME) -> list[tuple[int, Heard]]:
    """What is heard in `pcmu`, each with where audio had got to (ms), given in pieces of `size`."""
    found: list[tuple[int, Heard]] = []
    for start in range(0, len(pcmu), size):
        piece = pcmu[start : start + size]
        found += (((start + len(piece)) // BYTES_PER_MS, each) for each in hearing.hear(piece))
    return found


def told(pcmu: bytes, detection: TurnDetection, size: int = FRAME) -> list[Span]:
    """The turns as the talker's core reads them from what the hearing says."""
    hearing, clock = Hearing(detection, SpeechDetector(GOOD_EAR)), LegClock()
    turns, spans = CallerTurns(clock, detection), []
    for start in range(0, len(pcmu), size):
        piece = pcmu[start : start + size]
        events = hearing.hear(piece)
        clock.sent(clock.leg_ms, len(piece))
        for event in events:
            if isinstance(event, CallerBegan):
                turns.began("c1", event.audio_ms)
            else:
                turns.ended("c1", event.audio_ms)
                span = turns.transcribed("c1")
                assert span is not None
                spans.append(span)
    return spans


def noise(ms: int, loudness: float) -> bytes:
    """White noise of this standard deviation (of 32768)."""
    samples = np.random.default_rng(1).normal(0, loudness, ms * BYTES_PER_MS)
    return from_samples(samples.astype(np.int16))


def test_there_are_human_recordings() -> None:
    assert len(HUMANS) == 5


@pytest.mark.parametrize("recording", HUMANS, ids=lambda each: each.name)
def test_a_turn_is_noticed_while_it_begins_and_ended_after_the_silence(recording: recordings.Recording) -> None:
    _, last_ms = audible_span_ms(recording.pcmu)
    events = heard(Hearing(ONE_TURN, SpeechDetector(GOOD_EAR)), silence(LEAD_MS) + recording.pcmu + silence(2_000))
    (noticed_ms, began), (over_ms, ended) = events
    assert isinstance(began, CallerBegan)
    assert isinstance(ended, CallerEnded)
    assert noticed_ms - LEAD_MS <= voiced_ms(recording.pcmu) + 250
    assert over_ms - (LEAD_MS + last_ms) <= 1_000 + 2 * PIECE_MS


@pytest.mark.parametrize("detection", [ONE_TURN, ServerVad(prefix_padding_ms=0, silence_duration_ms=1_000)])
@pytest.mark.parametrize("recording", HUMANS, ids=lambda each: each.name)
def test_the_talker_finds_the_real_beginning_and_end(recording: recordings.Recording, detection: ServerVad) -> None:
    """Both sides know the lead-in and the silence, and neither counts them twice."""
    _, last_ms = audible_span_ms(recording.pcmu)
    (span,) = told(silence(LEAD_MS) + recording.pcmu + silence(2_000), detection)
    assert begins_in(span.start_ms - LEAD_MS, recording.pcmu)
    assert abs(span.end_ms - (LEAD_MS + last_ms)) <= 300


@pytest.mark.parametrize("recording", HUMANS, ids=lambda each: each.name)
def test_the_lead_in_and_the_silence_change_nothing_for_who_reads_the_positions(
    recording: recordings.Recording,
) -> None:
    pcmu = silence(LEAD_MS) + recording.pcmu + silence(2_000)
    spans = [
        told(pcmu, ServerVad(prefix_padding_ms=lead_in_ms, silence_duration_ms=1_000)) for lead_in_ms in (0, 300, 2_000)
    ]
    assert spans[0] == spans[1] == spans[2]


def test_semantic_turn_detection_is_read_the_same_way() -> None:
    recording = recordings.load("caller-2")
    spans = told(silence(LEAD_MS) + recording.pcmu + silence(2_000), SemanticVad())
    assert begins_in(spans[0].start_ms - LEAD_MS, recording.pcmu)


def test_who_speaks_from_the_first_sample_on_is_found_there() -> None:
    """So it is when a caller's last words are replayed to a new talker."""
    recording = recordings.load("caller-2")
    (span,) = told(recording.pcmu[voiced_ms(recording.pcmu) * BYTES_PER_MS :] + silence(2_000), ONE_TURN)
    assert span.start_ms <= 3 * PIECE_MS


@pytest.mark.parametrize("recording", HUMANS, ids=lambda each: each.name)
def test_the_audio_of_a_turn_holds_all_that_was_said(recording: recordings.Recording) -> None:
    first_ms, last_ms = audible_span_ms(recording.pcmu)
    events = heard(Hearing(ONE_TURN, SpeechDetector(GOOD_EAR)), silence(LEAD_MS) + recording.pcmu + silence(2_000))
    (turn,) = [event.pcmu for _, event in events if isinstance(event, CallerEnded)]
    assert recording.pcmu[first_ms * BYTES_PER_MS : last_ms * BYTES_PER_MS] in turn


def test_two_turns_are_two_and_neither_holds_the_other() -> None:
    one, other = recordings.load("caller-2").pcmu, recordings.load("caller-5").pcmu
    pcmu = silence(500) + one + silence(1_500) + other + silence(1_500)
    turns = [
        each.pcmu
        for _, each in heard(Hearing(ONE_TURN, SpeechDetector(GOOD_EAR)), pcmu)
        if isinstance(each, CallerEnded)
    ]
    assert [one[8_000:16_000] in turn for turn in turns] == [True, False]
    assert [other[8_000:16_000] in turn for turn in turns] == [False, True]


@pytest.mark.parametrize(
    "pcmu",
    [silence(10_000), noise(10_000, 20), noise(10_000, 60), silence(2_000) + noise(20, 9_000) + silence(2_000)],
    ids=["silence", "low noise", "room noise", "a click"],
)
def test_nobody_speaks_in(pcmu: bytes) -> None:
    hearing = Hearing(ServerVad(), SpeechDetector(GOOD_EAR))
    assert heard(hearing, pcmu) == []
    assert not hearing.is_speaking


def test_clicks_again_and_again_are_nobody() -> None:
    pcmu = b"".join(noise(10, 9_000) + silence(490) for _ in range(20))
    assert heard(Hearing(ServerVad(), SpeechDetector(GOOD_EAR)), pcmu) == []


def test_speech_over_the_noise_of_a_line_is_heard() -> None:
    recording = recordings.load("caller-2")
    clean = to_samples(silence(LEAD_MS) + recording.pcmu + silence(2_000)).astype(np.int32)
    noisy = clean + to_samples(noise(len(clean) // BYTES_PER_MS + 1, 60))[: len(clean)]
    (span,) = told(from_samples(noisy.clip(-32_768, 32_767).astype(np.int16)), ONE_TURN)
    assert begins_in(span.start_ms - LEAD_MS, recording.pcmu)


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=20))
@settings(max_examples=8)
def test_it_does_not_matter_in_which_pieces_audio_comes(sizes: list[int]) -> None:
    pcmu = silence(300) + recordings.load("caller-2").pcmu + silence(1_500)
    whole = [each for _, each in heard(Hearing(ONE_TURN, SpeechDetector(GOOD_EAR)), pcmu, len(pcmu))]
    hearing, found, at, number = Hearing(ONE_TURN, SpeechDetector(GOOD_EAR)), list[Heard](), 0, 0
    while at < len(pcmu):
        size = sizes[number % len(sizes)]
        found += hearing.hear(pcmu[at : at + size])
        at, number = at + size, number + 1
    assert found == whole


# --- with a detector that goes by one sample, so that every byte can be accounted for ---------------------------------

SPEECH = b"\x10"


def by_first_sample(piece: bytes) -> float:
    """Certain either way."""
    assert len(piece) == PIECE_BYTES
    return 0.0 if piece[:1] == SILENCE else 1.0


def pieces(kind: bytes, count: int) -> bytes:
    """So many pieces of the same sound."""
    return kind * (PIECE_BYTES * count)


def test_a_turn_that_follows_at_once_begins_with_the_silence_between() -> None:
    hearing = Hearing(ServerVad(silence_duration_ms=128), by_first_sample)
    pcmu = pieces(SILENCE, 50) + pieces(SPEECH, 10) + pieces(SILENCE, 4) + pieces(SPEECH, 5) + pieces(SILENCE, 4)
    first, second = (each.pcmu for _, each in heard(hearing, pcmu) if isinstance(each, CallerEnded))
    assert first.strip(SILENCE) == pieces(SPEECH, 10)
    assert second == pieces(SILENCE, 4) + pieces(SPEECH, 5) + pieces(SILENCE, 4)


@given(st.integers(0, 2**32), st.integers(100, 1_000))
def test_nothing_is_in_two_turns_and_no_sound_of_a_turn_is_left_out(seed: int, silence_ms: int) -> None:
    chance = random.Random(seed)
    kinds = [chance.choice((SILENCE, SPEECH)) for _ in range(60) for _ in range(chance.randrange(1, 40))]
    numbered = b"".join(
        SILENCE * PIECE_BYTES if kind == SILENCE else SPEECH + n.to_bytes(2, "big") * ((PIECE_BYTES - 1) // 2) + b"\0"
        for n, kind in enumerate(kinds)
    )
    detection = ServerVad(silence_duration_ms=silence_ms, prefix_padding_ms=0)
    spoken = b""
    began_ms = 0
    for _, each in heard(Hearing(detection, by_first_sample), numbered):
        if isinstance(each, CallerBegan):
            began_ms = each.audio_ms
            continue
        turn = each.pcmu
        end_ms = each.audio_ms - silence_ms
        of_turn = numbered[began_ms * BYTES_PER_MS : end_ms * BYTES_PER_MS]
        assert of_turn in turn
        sounds = [turn[at : at + PIECE_BYTES] for at in range(0, len(turn), PIECE_BYTES)]
        assert not any(sound in spoken for sound in sounds if sound[:1] != SILENCE and sound in of_turn)
        spoken += of_turn
        assert end_ms - began_ms >= 3 * PIECE_MS
