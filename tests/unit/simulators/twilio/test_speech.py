"""What `<Say>` sounds like."""

from simulators.people import recordings
from simulators.people.pcmu import audible_span_ms
from simulators.twilio.speech import APOLOGY, spoken


def test_known_words_are_spoken_by_their_recording() -> None:
    greeting = recordings.load("agent-greeting")
    assert spoken(greeting.text, 55) == greeting.pcmu


def test_other_words_murmur_as_long_as_they_take() -> None:
    audio = spoken(APOLOGY, 55)
    start_ms, end_ms = audible_span_ms(audio)
    assert start_ms == 0
    assert 3_000 < end_ms < 4_000
