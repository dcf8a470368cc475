"""`POST /v1/audio/transcriptions`: what may be asked, and the sound in the file."""

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, Final

from openai.types.audio.transcription_create_params import TranscriptionCreateParamsNonStreaming

from simulators.openai.realtime.refusals import (
    Json,
    invalid_type,
    missing_parameter,
    unknown_parameter,
    unsupported_value,
)
from simulators.openai.realtime.shapes import field_names
from simulators.openai.rest.models import MODELS
from simulators.openai.rest.refusing import ApiError, invalid, not_simulated, out_of_range, unsupported_parameter
from simulators.people.resampling import PHONE_RATE_HZ
from simulators.people.wav import Sound, read_sound

MIN_DURATION_S: Final = 0.1
_EXTENSIONS: Final = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
_FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_WHISPER: Final = "whisper-1"
_DIARIZING: Final = "gpt-4o-transcribe-diarize"
_ONLY_OF: Final = {"keywords": "gpt-transcribe", "languages": "gpt-transcribe", "timestamp_granularities": _WHISPER}
_LISTS: Final = (
    "include",
    "keywords",
    "known_speaker_names",
    "known_speaker_references",
    "languages",
    "timestamp_granularities",
)
_NOT_SIMULATED: Final = ("include", "known_speaker_names", "known_speaker_references")
_LANGUAGE: Final = re.compile(r"[a-z]{2}")
_ENCODED: Final = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"\xff\xfb": "MP3", b"\x1a\x45\xdf\xa3": "WebM"}
FIELDS: Final = field_names(TranscriptionCreateParamsNonStreaming)


def check_transcription(form: Json) -> None:
    """Raise `Refusal` or `ApiError` unless the API would take these fields, and the simulator can."""
    for name in form:
        if name not in FIELDS:
            raise unknown_parameter(name)
    if not isinstance(form.get("file"), tuple):
        raise missing_parameter("file")
    for name, value in form.items():
        if name != "file" and not all(isinstance(one, str) for one in (value if name in _LISTS else [value])):
            raise invalid_type(name, "a string", value)
    model = form["model"]
    _check_format(form.get("response_format", "json"), model)
    for name, only in _ONLY_OF.items():
        if name in form and model in MODELS["transcription"] and model != only:
            raise unsupported_parameter(name, f"'{name}' is not supported with '{model}'.")
    if "prompt" in form and model == _DIARIZING:
        raise unsupported_parameter("prompt", f"'prompt' is not supported with '{model}'.")
    for name in _NOT_SIMULATED:
        if name in form:
            raise not_simulated(name, f"'{name}'")
    _check_values(form)


def _check_format(form: str, model: str) -> None:
    if form not in _FORMATS:
        raise unsupported_value("response_format", form, _FORMATS)
    if form == "verbose_json" and model.startswith("gpt-"):
        message = f"response_format '{form}' is not compatible with model '{model}'. Use 'json' or 'text' instead."
        raise invalid("response_format", message, "unsupported_value")
    if form not in ("json", "text", "verbose_json"):
        raise not_simulated("response_format", f"the response format '{form}'")


def _check_values(form: Json) -> None:
    language = form.get("language", "en")
    if not _LANGUAGE.fullmatch(language):
        message = f"Invalid language '{language}'. Language parameter must be specified in ISO-639-1 format."
        raise invalid("language", message, "invalid_language_format")
    if form.get("stream", "false").lower() not in ("true", "false"):
        raise unsupported_value("stream", form["stream"], ("true", "false"))
    if "timestamp_granularities" in form:
        _check_granularities(form)
    _check_temperature(form.get("temperature", "0"))


def _check_granularities(form: Json) -> None:
    if form.get("response_format") != "verbose_json":
        message = "'timestamp_granularities' needs the response_format 'verbose_json'."
        raise invalid("timestamp_granularities", message)
    for granularity in form["timestamp_granularities"]:
        if granularity not in ("word", "segment"):
            raise unsupported_value("timestamp_granularities", granularity, ("word", "segment"))


def _check_temperature(text: str) -> None:
    try:
        temperature = float(text)
    except ValueError:
        raise invalid("temperature", f"Invalid 'temperature': expected a number, but got '{text}'.") from None
    if not 0 <= temperature <= 1:
        raise out_of_range("temperature", temperature, 0.0, 1.0)


def sound_in(file_name: str, data: bytes) -> Sound:
    """The sound of the uploaded file. Raises `ApiError` if it is none, or too short."""
    if PurePath(file_name).suffix.lstrip(".").lower() not in _EXTENSIONS:
        message = f"Unrecognized file format. Supported formats: {list(_EXTENSIONS)}"
        raise ApiError(400, message, param="file")
    for magic, codec in _ENCODED.items():
        if data.startswith(magic):
            raise not_simulated("file", f"{codec}: it has no decoder, send a WAV")
    try:
        sound = read_sound(data)
    except ValueError:
        raise invalid("file", "Audio file might be corrupted or unsupported") from None
    if sound.rate_hz % PHONE_RATE_HZ:
        raise not_simulated("file", f"{sound.rate_hz} Hz: send 8, 16, 24 or 48 kHz")
    if sound.duration_s < MIN_DURATION_S:
        message = f"Audio file is too short. Minimum audio length is {MIN_DURATION_S} seconds."
        raise invalid("file", message, "audio_too_short")
    return sound


def form_of(fields: Iterable[tuple[str, Any]]) -> Json:
    """The form as parameters; those that are lists come as `name[]`, or several times. Raises `ApiError`."""
    form: Json = {}
    for name, value in fields:
        bare = name.removesuffix("[]")
        if bare in _LISTS:
            form.setdefault(bare, []).append(value)
        elif name in form:
            raise invalid(name, f"'{name}' was sent more than once.")
        else:
            form[name] = value
    return form
