"""Recordings are recognised after codecs and filters, and nothing else is."""

import random
from functools import cache

import pytest

from simulators.openai.voices import tone
from simulators.people.likeness import Likeness
from simulators.people.pcmu import SAMPLES
from simulators.people.recordings import Recording, load, load_all
from simulators.people.resampling import from_phone_rate, to_phone_rate


@cache
def likeness() -> Likeness:
    return Likeness(load_all())


def samples(recording: Recording) -> list[int]:
    return [SAMPLES[byte] for byte in recording.pcmu]


def at_24_khz(recording: Recording) -> list[int]:
    return list(from_phone_rate(samples(recording), 24_000))


def filtered(recording: Recording) -> list[int]:
    """Down from 24 kHz with a proper filter."""
    return list(to_phone_rate(at_24_khz(recording), 24_000))


def averaged(recording: Recording) -> list[int]:
    """Down from 24 kHz as cheap code does it."""
    high = at_24_khz(recording)
    return [sum(high[i : i + 3]) // 3 for i in range(0, len(high), 3)]


def late(recording: Recording) -> list[int]:
    """A third of a sample later: each third sample, from the second on."""
    return at_24_khz(recording)[1::3]


def noisy(recording: Recording) -> list[int]:
    noise = random.Random(recording.name)
    return [sample // 3 + noise.randint(-12, 12) for sample in samples(recording)]


@pytest.mark.parametrize("way", [samples, filtered, averaged, late, noisy], ids=lambda way: str(way.__name__))
@pytest.mark.parametrize("recording", load_all(), ids=lambda recording: recording.name)
def test_every_recording_is_recognised_whole(recording: Recording, way: object) -> None:
    assert callable(way)
    heard = likeness().recognise([0] * 777 + way(recording) + [0] * 400)
    assert [span.name for span in heard.spans] == [recording.name]
    assert heard.text == recording.text
    assert heard.matched_frames >= 0.95 * heard.expected_frames
    assert heard.duplicates == 0
    assert heard.in_order


def test_mu_law_is_heard_like_the_samples_it_means() -> None:
    caller = load("caller-2")
    assert likeness().recognise_pcmu(caller.pcmu) == likeness().recognise(samples(caller))


def test_where_it_was_heard_is_told() -> None:
    caller = load("caller-2")
    (span,) = likeness().recognise([0] * 8000 + filtered(caller)).spans
    assert 1000 <= span.at_ms <= 1200
    assert span.until_ms <= 1000 + caller.duration_ms


def test_two_callers_one_after_the_other_are_told_apart() -> None:
    one, other = load("caller-2"), load("ja-caller-3")
    heard = likeness().recognise(filtered(one) + [0] * 3000 + filtered(other))
    assert heard.text == f"{one.text} {other.text}"


def test_a_recording_told_twice_is_two_tellings() -> None:
    caller = load("caller-5")
    heard = likeness().recognise(filtered(caller) + [0] * 3000 + filtered(caller))
    assert heard.text == f"{caller.text} {caller.text}"


@pytest.mark.parametrize("name", [recording.name for recording in load_all()])
def test_half_of_a_recording_gives_about_half_of_its_words(name: str) -> None:
    recording = load(name)
    half = filtered(recording)[: len(recording.pcmu) // 2]
    heard = likeness().recognise(half)
    assert [span.name for span in heard.spans] == [name]
    assert recording.text.startswith(heard.text)
    assert 0.2 <= len(heard.text) / len(recording.text) <= 0.8


def test_nothing_known_is_nothing() -> None:
    noise = random.Random(3)
    for unknown in (
        [],
        [0] * 8000,
        [5] * 100,
        [noise.randint(-8000, 8000) for _ in range(40_000)],
        [SAMPLES[byte] for byte in tone("Something that nobody has recorded so far.").pcmu],
    ):
        assert likeness().recognise(unknown).text == ""


def test_a_tenth_of_a_second_is_no_evidence() -> None:
    caller = filtered(load("caller-4"))
    assert likeness().recognise(caller[8000:8800]).spans == ()
