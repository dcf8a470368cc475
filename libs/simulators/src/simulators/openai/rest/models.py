"""Which model serves which endpoint."""

from typing import Final, get_args

from openai.types.audio.speech_model import SpeechModel
from openai.types.audio_model import AudioModel
from openai.types.shared.chat_model import ChatModel

from simulators.openai.faults.http_kinds import EndpointName
from simulators.openai.rest.refusing import missing_model, no_model, wrong_endpoint
from simulators.openai.script import Account

PATHS: Final[dict[EndpointName, str]] = {
    "chat": "/v1/chat/completions",
    "transcription": "/v1/audio/transcriptions",
    "speech": "/v1/audio/speech",
}
MODELS: Final[dict[EndpointName, frozenset[str]]] = {
    "chat": frozenset(get_args(ChatModel)),
    "transcription": frozenset(get_args(AudioModel)),
    "speech": frozenset(get_args(SpeechModel)),
}
"""Those the SDK names; the script's `account.other_models` adds some to each."""
_ALL: Final = frozenset[str]().union(*MODELS.values())
_REASONING: Final = ("o1", "o3", "o4", "gpt-5", "gpt-6")
_ALWAYS_REASONING: Final = ("o1", "o3", "o4", "gpt-5-")


def check_model(endpoint: EndpointName, model: object, account: Account) -> None:
    """Raise `ApiError` unless this model serves this endpoint. Its type is checked with the other parameters'."""
    if model is None or model == "":
        raise missing_model()
    if not isinstance(model, str) or model in account.other_models:
        return
    if model in account.unavailable_models or (model not in _ALL and not model.startswith("gpt-realtime")):
        raise no_model(model)
    if model not in MODELS[endpoint]:
        raise wrong_endpoint(model, PATHS[endpoint].lstrip("/"))


def is_reasoning(model: str) -> bool:
    """It may think before it answers, so it takes `reasoning_effort`, and not `max_tokens`."""
    return model.startswith(_REASONING) and "-chat" not in model


def always_reasons(model: str) -> bool:
    """It cannot be told not to, so it takes no sampling parameters."""
    return is_reasoning(model) and (model == "gpt-5" or model.startswith(_ALWAYS_REASONING))
