"""The endpoints of the turn-based pipeline, each stage's in the order to try: from a TOML file, or OpenAI's own."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from common.errors import ConfigError
from common.profile import Fallback
from common.settings import ApiBaseUrl

Stage = Literal["transcription", "chat", "speech"]
STAGES: Final[tuple[Stage, ...]] = ("transcription", "chat", "speech")

FILE_NAME: Final = "pipeline.toml"
"""Beside the agent profiles."""
OPENAI: Final = "openai"
"""What the only endpoint of each stage is called when there is no file."""
OPENAI_KEY_NAME: Final = "OPENAI_API_KEY"
TRANSCRIPTION_MODEL: Final = "gpt-transcribe"
CHAT_MODEL: Final = "gpt-5.4-mini"
SPEECH_MODEL: Final = "gpt-4o-mini-tts"
SPEECH_VOICE: Final = "marin"


class StageEndpoint(BaseModel):
    """One server that does a stage's work, in the words of OpenAI's API. Its fields are the file's keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")
    base_url: ApiBaseUrl
    key_name: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]*$")
    """The environment variable that holds the key; None: the server wants none."""
    model: str = Field(min_length=1, max_length=200)
    timeout_s: float = Field(3.0, gt=0, le=60, allow_inf_nan=False)
    """Longest wait for its first result."""
    api_key: SecretStr | None = Field(None, exclude=True)
    """Looked up by `Pipeline.with_keys`; never in a file."""


class ChatEndpoint(StageEndpoint):
    """A server with chat completions."""

    timeout_s: float = Field(4.0, gt=0, le=60, allow_inf_nan=False)
    max_output_tokens: int = Field(500, ge=1, le=32_768)
    """Of one answer: a caller does not listen to more than some sentences."""


class SpeechEndpoint(StageEndpoint):
    """A server that speaks."""

    voice: str = Field(SPEECH_VOICE, min_length=1, max_length=200)
    response_format: Literal["pcm", "wav"] = "pcm"
    """`pcm`: signed 16-bit little-endian samples, one channel. `wav`: its header says what it is."""
    sample_rate: int = Field(24_000, ge=8_000, le=48_000)
    """Hertz, of `pcm`."""

    @model_validator(mode="after")
    def _rate_is_told_once(self) -> Self:
        if self.response_format == "wav" and "sample_rate" in self.model_fields_set:
            raise ValueError('sample_rate is for response_format = "pcm": the header of a wav says its own')
        return self


AnyEndpoint = TypeVar("AnyEndpoint", bound=StageEndpoint)

_KINDS: Final[Mapping[Stage, type[StageEndpoint]]] = {
    "transcription": StageEndpoint,
    "chat": ChatEndpoint,
    "speech": SpeechEndpoint,
}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Every stage's endpoints, at least one each, the first choice first."""

    transcription: tuple[StageEndpoint, ...]
    chat: tuple[ChatEndpoint, ...]
    speech: tuple[SpeechEndpoint, ...]
    source: str
    """What an operator would have to change: a file, or a setting."""

    def stage(self, stage: Stage) -> tuple[StageEndpoint, ...]:
        """The endpoints of one stage."""
        found: Mapping[Stage, tuple[StageEndpoint, ...]] = {
            "transcription": self.transcription,
            "chat": self.chat,
            "speech": self.speech,
        }
        return found[stage]

    def names(self, stage: Stage) -> tuple[str, ...]:
        """What a profile may name for `stage`."""
        return tuple(each.name for each in self.stage(stage))

    @property
    def key_names(self) -> frozenset[str]:
        """The variables that hold keys."""
        return frozenset(each.key_name for stage in STAGES for each in self.stage(stage) if each.key_name)

    def missing_keys(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Each endpoint whose key is not in `environ`, in words that name the variable."""
        return tuple(
            f"{_table(stage, each.name)}: wants its key in {each.key_name}, which is not set"
            for stage in STAGES
            for each in self.stage(stage)
            if each.key_name and not environ.get(each.key_name)
        )

    def with_keys(self, environ: Mapping[str, str]) -> "Pipeline":
        """The same with every `api_key` filled in. Raises `ConfigError` naming the first variable that is not set."""
        for missing in self.missing_keys(environ):
            raise ConfigError(f"{self.source}: {missing}")
        return Pipeline(
            _with_keys(self.transcription, environ),
            _with_keys(self.chat, environ),
            _with_keys(self.speech, environ),
            self.source,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys, each once: no log line may show them."""
        keys = (each.api_key.get_secret_value() for stage in STAGES for each in self.stage(stage) if each.api_key)
        return tuple(dict.fromkeys(keys))

    def for_profile(self, fallback: Fallback) -> "Pipeline":
        """The endpoints in the order the profile names them, all if it names none, speaking with its voice.

        A name that is unknown here is passed over: a call is served by what there is.
        """
        voice = {} if fallback.voice is None else {"voice": fallback.voice}
        return Pipeline(
            _chosen(self.transcription, fallback.transcription),
            _chosen(self.chat, fallback.chat),
            tuple(each.model_copy(update=voice) for each in _chosen(self.speech, fallback.speech)),
            self.source,
        )


def of_openai(
    base_url: str,
    *,
    transcription_model: str = TRANSCRIPTION_MODEL,
    chat_model: str = CHAT_MODEL,
    speech_model: str = SPEECH_MODEL,
    voice: str = SPEECH_VOICE,
) -> Pipeline:
    """The pipeline without a file: OpenAI's, or whatever answers in its place at `base_url`."""

    def told(model: str) -> dict[str, Any]:
        return {"name": OPENAI, "base_url": base_url, "key_name": OPENAI_KEY_NAME, "model": model}

    return Pipeline(
        (StageEndpoint(**told(transcription_model)),),
        (ChatEndpoint(**told(chat_model)),),
        (SpeechEndpoint(**told(speech_model), voice=voice),),
        "the pipeline at OPENAI_BASE_URL",
    )


def load_pipeline(file: Path) -> Pipeline:
    """Read `file`, without looking up keys. Raises `ConfigError` with the file, the table and the key."""
    try:
        return parse_pipeline(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {type(error).__name__}") from None


def parse_pipeline(text: str, source: str) -> Pipeline:
    """The pipeline `text` describes; `source` is named in errors. Raises `ConfigError`; no value is ever repeated."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not TOML: {error}") from None
    for name in tables:
        if name not in STAGES:
            raise ConfigError(f"{source}: {name} is no stage; there are: [[{']], [['.join(STAGES)}]]")
    read: dict[Stage, tuple[Any, ...]] = {stage: tuple(_endpoints(tables, stage, source)) for stage in STAGES}
    return Pipeline(**read, source=source)


def _endpoints(tables: Mapping[str, Any], stage: Stage, source: str) -> Iterator[StageEndpoint]:
    given = tables.get(stage)
    if not isinstance(given, list) or not given:
        raise ConfigError(f"{source}: a [[{stage}]] table is needed, one for each endpoint of that stage")
    seen: set[str] = set()
    for number, table in enumerate(given, 1):
        endpoint = _endpoint(table, stage, f"{source}: {_table(stage, number)}")
        if endpoint.name in seen:
            raise ConfigError(f"{source}: {_table(stage, number)}: name: another {stage} endpoint is called that")
        seen.add(endpoint.name)
        yield endpoint


def _endpoint(table: object, stage: Stage, where: str) -> StageEndpoint:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a table with keys such as name, base_url, model")
    if "api_key" in table:
        raise ConfigError(f"{where}: api_key: give key_name, the environment variable that holds the key, instead")
    try:
        return _KINDS[stage].model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_first_fault(error, stage)}") from None


def _first_fault(error: ValidationError, stage: Stage) -> str:
    """Which key and what is allowed, never what was given: it may be a key's value."""
    fault: Any = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{key} is no key of this table; there are: {', '.join(_keys(stage))}"
    return f"{key}: {fault['msg']}" if key else str(fault["msg"])


def _keys(stage: Stage) -> list[str]:
    return [name for name in _KINDS[stage].model_fields if name != "api_key"]


def _table(stage: Stage, which: int | str) -> str:
    return f"[[{stage}]] {which}"


def _with_keys(endpoints: Sequence[AnyEndpoint], environ: Mapping[str, str]) -> tuple[AnyEndpoint, ...]:
    return tuple(
        each.model_copy(update={"api_key": SecretStr(environ[each.key_name])}) if each.key_name else each
        for each in endpoints
    )


def _chosen(endpoints: tuple[AnyEndpoint, ...], named: Sequence[str]) -> tuple[AnyEndpoint, ...]:
    known = {each.name: each for each in endpoints}
    return tuple(known[name] for name in dict.fromkeys(named) if name in known) or endpoints
