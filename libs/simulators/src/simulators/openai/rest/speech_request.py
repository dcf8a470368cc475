"""`POST /v1/audio/speech`: what may be asked."""

from typing import Final

from openai.types.audio.speech_create_params import SpeechCreateParams

from simulators.openai.realtime.refusals import Json, too_long, unsupported_value
from simulators.openai.realtime.shapes import check_of
from simulators.openai.rest.refusing import invalid, not_simulated, out_of_range, unsupported_parameter

MAX_INPUT: Final = 4096
FORMATS: Final = ("pcm", "wav")
"""Those that need no encoder."""
_OLD_MODELS: Final = ("tts-1", "tts-1-hd")
_OLD_VOICES: Final = ("alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer")
VOICES: Final = (*_OLD_VOICES, "ballad", "verse", "marin", "cedar")
_LEAST_SPEED, _MOST_SPEED = 0.25, 4.0


def check_speech(body: Json) -> None:
    """Raise `Refusal` or `ApiError` unless the API would take this, and the simulator can."""
    check_of(SpeechCreateParams)(body, "")
    _check_input(body["input"])
    is_old = body["model"] in _OLD_MODELS
    voices = _OLD_VOICES if is_old else VOICES
    if isinstance(body["voice"], str) and body["voice"] not in voices:
        raise unsupported_value("voice", body["voice"], voices)
    if not _LEAST_SPEED <= body.get("speed", 1.0) <= _MOST_SPEED:
        raise out_of_range("speed", body["speed"], _LEAST_SPEED, _MOST_SPEED)
    if is_old and "instructions" in body:
        raise unsupported_parameter("instructions", f"'instructions' is not supported with '{body['model']}'.")
    if is_old and body.get("stream_format") == "sse":
        raise unsupported_parameter("stream_format", f"'sse' is not supported with '{body['model']}'.")
    form = body.get("response_format", "mp3")
    if form not in FORMATS:
        raise not_simulated("response_format", f"'{form}': it has no encoder, ask for 'pcm' or 'wav'")
    if body.get("speed", 1.0) != 1.0:
        raise not_simulated("speed", "any speed but 1")


def _check_input(text: str) -> None:
    if len(text) > MAX_INPUT:
        raise too_long("input", text, MAX_INPUT)
    if not text.strip():
        message = "Invalid 'input': string too short. Expected a string with minimum length 1."
        raise invalid("input", message, "string_below_min_length")
