"""Uploads are checked as the real API checks them."""

from typing import Any, get_args

import pytest
from openai.types.audio.transcription_create_params import TranscriptionCreateParams
from openai.types.audio_model import AudioModel

from simulators.openai.realtime.refusals import Refusal
from simulators.openai.rest.refusing import ApiError
from simulators.openai.rest.transcription_request import FIELDS, check_transcription, form_of, sound_in
from simulators.people.pcmu import to_linear
from simulators.people.recordings import load
from simulators.people.wav import streamed_header

WAV = streamed_header(8000) + to_linear(load("caller-2").pcmu)
FILE = ("speech.wav", WAV)


def form(**fields: Any) -> dict[str, Any]:
    return {"file": FILE, "model": "gpt-4o-transcribe", **fields}


def test_the_fields_are_the_sdks() -> None:
    for declared in get_args(TranscriptionCreateParams):
        assert set(declared.__annotations__) <= FIELDS
    assert {"file", "model", "stream"} <= FIELDS


@pytest.mark.parametrize("model", get_args(AudioModel))
def test_json_and_text_come_from_every_model(model: str) -> None:
    for response_format in ("json", "text"):
        check_transcription(form(model=model, response_format=response_format, language="en", temperature="0.2"))


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]},
        {"model": "gpt-transcribe", "keywords": ["Trunkline"], "languages": ["en", "ja"]},
        {"prompt": "names", "stream": "true", "chunking_strategy": "auto"},
        {"model": "somebody-elses", "response_format": "verbose_json", "keywords": ["x"]},
    ],
)
def test_what_a_model_can_it_is_asked(fields: dict[str, Any]) -> None:
    check_transcription(form(**fields))


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"colour": "red"}, "unknown_parameter", "colour"),
        ({"file": "no file"}, "missing_required_parameter", "file"),
        ({"language": ("language.txt", b"en")}, "invalid_type", "language"),
        ({"keywords": ["a", ("b.txt", b"b")]}, "invalid_type", "keywords"),
        ({"prompt[]": "p"}, "unknown_parameter", "prompt[]"),
        ({"response_format": "poem"}, "invalid_value", "response_format"),
        ({"response_format": "verbose_json"}, "unsupported_value", "response_format"),
        ({"model": "whisper-1", "response_format": "srt"}, "not_simulated", "response_format"),
        ({"language": "english"}, "invalid_language_format", "language"),
        ({"temperature": "hot"}, "invalid_value", "temperature"),
        ({"temperature": "1.5"}, "decimal_above_max_value", "temperature"),
        ({"stream": "maybe"}, "invalid_value", "stream"),
        ({"keywords": ["x"]}, "unsupported_parameter", "keywords"),
        ({"model": "whisper-1", "keywords": ["x"]}, "unsupported_parameter", "keywords"),
        ({"model": "gpt-4o-transcribe-diarize", "prompt": "x"}, "unsupported_parameter", "prompt"),
        ({"model": "whisper-1", "timestamp_granularities": ["word"]}, "invalid_value", "timestamp_granularities"),
        (
            {"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities": ["letter"]},
            "invalid_value",
            "timestamp_granularities",
        ),
        ({"include": ["logprobs"]}, "not_simulated", "include"),
    ],
)
def test_a_wrong_form_is_refused(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises((Refusal, ApiError)) as refused:
        check_transcription(form(**fields))
    error = refused.value
    assert isinstance(error, Refusal | ApiError)
    assert (error.code, error.param) == (code, param)


def test_a_field_comes_once_unless_it_is_a_list() -> None:
    sent = [("model", "m"), ("keywords[]", "a"), ("keywords[]", "b"), ("languages", "en"), ("prompt[]", "p")]
    assert form_of(sent) == {"model": "m", "keywords": ["a", "b"], "languages": ["en"], "prompt[]": "p"}
    with pytest.raises(ApiError):
        form_of([("model", "a"), ("model", "b")])


def test_a_wav_is_a_sound() -> None:
    assert sound_in(*FILE).duration_s == pytest.approx(2.99)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("speech", WAV, None),
        ("speech.txt", WAV, None),
        ("speech.wav", b"", "invalid_value"),
        ("speech.wav", b"<html>not found</html>", "invalid_value"),
        ("speech.wav", to_linear(load("caller-2").pcmu), "invalid_value"),
        ("speech.mp3", b"ID3" + bytes(500), "not_simulated"),
        ("speech.ogg", b"OggS" + bytes(500), "not_simulated"),
        ("speech.wav", streamed_header(44_100) + bytes(9000), "not_simulated"),
        ("speech.wav", streamed_header(8000) + bytes(1500), "audio_too_short"),
    ],
)
def test_what_is_no_sound_is_refused(name: str, data: bytes, code: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        sound_in(name, data)
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, "file", code)
