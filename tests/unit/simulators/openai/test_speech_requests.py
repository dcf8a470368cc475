"""Texts to be spoken are checked as the real API checks them, and sound like the recording that says them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from openai.types.audio.speech_create_params import SpeechCreateParams
from pydantic import TypeAdapter, ValidationError

from simulators.openai.realtime.refusals import Refusal
from simulators.openai.rest.reading_aloud import Reader
from simulators.openai.rest.refusing import ApiError
from simulators.openai.rest.speech import audio_pieces
from simulators.openai.rest.speech_request import check_speech
from simulators.openai.script import Speech
from simulators.people.likeness import Likeness
from simulators.people.pcmu import SAMPLES
from simulators.people.recordings import load, load_all
from simulators.people.resampling import from_phone_rate, to_phone_rate
from simulators.people.wav import from_linear, linear_of

VALID: list[dict[str, Any]] = [
    {},
    {"response_format": "wav", "voice": {"id": "voice_1"}, "speed": 1.0, "instructions": "calm"},
    {"model": "tts-1", "voice": "nova", "stream_format": "audio"},
    {"stream_format": "sse", "input": "x" * 4096},
]
INVALID: list[tuple[dict[str, Any], str, str]] = [
    ({"volume": 3}, "unknown_parameter", "volume"),
    ({"voice": 3}, "invalid_value", "voice"),
    ({"voice": {}}, "missing_required_parameter", "voice.id"),
    ({"response_format": "midi"}, "invalid_value", "response_format"),
    ({"input": None}, "invalid_type", "input"),
]
IMPOSSIBLE: list[tuple[dict[str, Any], str, str]] = [
    ({"input": "x" * 4097}, "string_above_max_length", "input"),
    ({"input": " "}, "string_below_min_length", "input"),
    ({"voice": "robot"}, "invalid_value", "voice"),
    ({"model": "tts-1", "voice": "marin"}, "invalid_value", "voice"),
    ({"model": "tts-1", "voice": "nova", "instructions": "calm"}, "unsupported_parameter", "instructions"),
    ({"model": "tts-1", "voice": "nova", "stream_format": "sse"}, "unsupported_parameter", "stream_format"),
    ({"speed": 5}, "decimal_above_max_value", "speed"),
    ({"speed": 0.1}, "decimal_below_min_value", "speed"),
    ({"speed": 1.5}, "not_simulated", "speed"),
    ({"response_format": "opus"}, "not_simulated", "response_format"),
]


def body(fields: dict[str, Any]) -> dict[str, Any]:
    return {"model": "gpt-4o-mini-tts", "voice": "marin", "input": "Hello.", "response_format": "pcm", **fields}


def fits_the_sdk(asked: dict[str, Any]) -> bool:
    try:
        TypeAdapter(SpeechCreateParams).validate_python(asked, strict=True, extra="forbid")
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("fields", VALID)
def test_a_valid_request_passes_here_and_with_the_sdks_types(fields: dict[str, Any]) -> None:
    check_speech(body(fields))
    assert fits_the_sdk(body(fields))


@pytest.mark.parametrize(("fields", "code", "param"), [*INVALID, *IMPOSSIBLE])
def test_an_invalid_request_is_refused(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises((Refusal, ApiError)) as refused:
        check_speech(body(fields))
    error = refused.value
    assert isinstance(error, Refusal | ApiError)
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize("fields", [fields for fields, _, _ in INVALID])
def test_what_is_misshapen_does_not_fit_the_sdks_types(fields: dict[str, Any]) -> None:
    assert not fits_the_sdk(body(fields))


def test_without_a_format_it_would_be_mp3_which_is_not_simulated() -> None:
    asked = body({})
    del asked["response_format"]
    with pytest.raises(ApiError, match="mp3"):
        check_speech(asked)


@cache
def likeness() -> Likeness:
    return Likeness(load_all())


@cache
def reader() -> Reader:
    return Reader(likeness())


def words_in(pcmu: bytes) -> str:
    return likeness().recognise([SAMPLES[byte] for byte in pcmu]).text


@pytest.mark.parametrize("name", [recording.name for recording in load_all()])
def test_a_recordings_text_sounds_like_it(name: str) -> None:
    spoken = reader().read(f" {load(name).text.upper()} ")
    assert spoken.recordings == (name,)
    assert spoken.pcmu == load(name).pcmu


def sentences() -> Iterator[tuple[str, str]]:
    """Sentences that are part of a recording."""
    for name in ("agent-greeting", "agent-opening-hours", "agent-go-on", "agent-i-see", "agent-apology"):
        for part in load(name).text.replace("?", ".").split("."):
            if part.strip():
                yield name, f"{part.strip()}."
    yield from (("ja-agent-one-moment", "少々お待ちください。"), ("ja-agent-goodbye", "失礼いたします。"))
    yield "agent-goodbye", "Goodbye!"


@pytest.mark.parametrize(("name", "text"), list(sentences()))
def test_a_sentence_of_a_recording_is_that_part_of_it_and_heard_as_that(name: str, text: str) -> None:
    spoken = reader().read(text)
    assert spoken.recordings == (name,)
    assert len(spoken.pcmu) < len(load(name).pcmu)
    heard, said = words_in(spoken.pcmu).strip("?.!。 "), text.strip("?.!。 ")
    assert heard
    assert heard in said or said in heard
    # The words of a recording are taken to be of one length, so a word at the edge may be lost.
    assert len(said.split()) - len(heard.split()) <= 2


def test_several_sentences_take_as_few_recordings_as_they_can() -> None:
    one, other = load("agent-i-see"), load("agent-goodbye")
    spoken = reader().read(f"{one.text} Nobody said this before. {other.text}")
    assert spoken.recordings == ("agent-i-see", "agent-goodbye")
    assert words_in(spoken.pcmu) == f"{one.text} {other.text}"


def test_no_recording_holds_more_sentences_than_are_looked_for_together() -> None:
    for recording in load_all():
        text = f"{recording.text.rstrip('.')}. Nobody said this."
        assert reader().read(text).recordings == (recording.name,)


@pytest.mark.parametrize("text", ["Nobody said this.", "…", "123", "!", "どなたも言っていない。"])
def test_what_nobody_recorded_is_audible_all_the_same(text: str) -> None:
    spoken = reader().read(text)
    assert spoken.recordings == ()
    assert len(set(spoken.pcmu)) > 20
    assert words_in(spoken.pcmu) == ""


@pytest.mark.parametrize("chunk_ms", [20, 100, 130])
def test_audio_in_pieces_is_the_same_as_in_one(chunk_ms: int) -> None:
    pcmu = load("agent-say-again").pcmu
    speech = Speech(first_byte_ms=70, speed=4, chunk_ms=chunk_ms)
    pieces = list(audio_pieces(pcmu, speech))
    whole = from_phone_rate([SAMPLES[byte] for byte in pcmu], 24_000)
    assert b"".join(piece.data for piece in pieces) == linear_of(whole)
    assert [pieces[0].after_s, pieces[1].after_s] == [0.07, chunk_ms / 4000]


def test_audio_back_at_the_telephones_rate_is_recognised() -> None:
    pcmu = load("agent-say-again").pcmu
    samples = from_linear(b"".join(piece.data for piece in audio_pieces(pcmu, Speech())))
    assert list(samples[::3]) == [SAMPLES[byte] for byte in pcmu]
    assert likeness().recognise(to_phone_rate(samples, 24_000)).text == load("agent-say-again").text
