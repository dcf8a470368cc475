"""The scripted conversation: what the simulated model says to whom, read from YAML."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from simulators.openai.faults.kinds import Fault


class ScriptError(Exception):
    """The script cannot be used; the message names file and field."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class When(_Strict):
    """Conditions of a rule; all that are given must hold. None given: the rule always fits."""

    greeting: Literal[True] | None = None
    """The conversation holds no caller turn yet, neither live nor seeded."""
    caller_said: Pattern | None = None
    """Found in the last caller turn's text, whatever its case."""
    recording: str | None = None
    """The last caller turn holds speech of this recording; of a turn that was written, most of its words."""
    turn: int | None = Field(None, ge=1)
    """Number of the last caller turn, seeded ones included, from 1."""
    tool_result: str | None = None
    """The newest item is the result of a call of this tool."""
    instructions: Pattern | None = None
    """Found in the instructions the response runs with."""
    model: str | None = None


class ToolCall(_Strict):
    """A function call the model makes."""

    name: str
    arguments: dict[str, Any] = {}


class Timing(_Strict):
    """How fast a reply comes in speech sessions (in chat: `chat`). None: the script's `defaults`."""

    first_audio_ms: int | None = Field(None, ge=0)
    speed: float | None = Field(None, gt=0)
    delta_ms: int | None = Field(None, ge=20, le=2000)


class Rule(Timing):
    """When these conditions hold, the model says this, calls that, or both."""

    when: When | Literal["greeting", "default"]
    say: str | None = None
    """`{items}`, `{seeded}`, `{caller_turns}`, `{agent_turns}`, `{last_caller_text}` are filled in from what the
    conversation holds. Absent: the recording's own text."""
    voice: str | None = None
    """A recording of `people.recordings`; absent: a speech-like tone as long as the text."""
    length_ms: int | None = Field(None, ge=20, le=600_000)
    """Length of the tone."""
    tool_call: ToolCall | None = None
    times: int | None = Field(None, ge=1)
    """Use the rule at most so often in one session; in chat, which has none, in what one conversation holds."""

    @model_validator(mode="after")
    def _does_something(self) -> "Rule":
        if self.say is None and self.voice is None and self.tool_call is None:
            raise ValueError("a reply needs say, voice or tool_call")
        if self.voice is not None and self.length_ms is not None:
            raise ValueError("length_ms is for tones, not for a recorded voice")
        return self

    @property
    def conditions(self) -> When:
        """`when`, its short forms written out."""
        if isinstance(self.when, When):
            return self.when
        return When(greeting=True) if self.when == "greeting" else When()


class Defaults(_Strict):
    """Timing of replies that do not say otherwise."""

    first_audio_ms: int = Field(300, ge=0)
    speed: float = Field(5.0, gt=0)
    """Times real time at which audio is generated."""
    delta_ms: int = Field(200, ge=20, le=2000)


class Transcription(_Strict):
    """The caller's transcripts, when the session asks for them, and those of uploaded audio."""

    delay_ms: int = Field(250, ge=0)
    """From the end of the turn, or of the upload."""


class Chat(_Strict):
    """How fast `/v1/chat/completions` writes."""

    first_token_ms: int = Field(150, ge=0)
    word_ms: int = Field(10, ge=0)
    """Between two words."""


class Speech(_Strict):
    """How fast `/v1/audio/speech` speaks."""

    first_byte_ms: int = Field(200, ge=0)
    speed: float = Field(8.0, gt=0)
    """Times real time at which audio is generated."""
    chunk_ms: int = Field(100, ge=20, le=2000)


class Account(_Strict):
    """What the keys and models of this pretended account may do."""

    bad_keys: frozenset[str] = frozenset()
    """Accepted at the upgrade, then closed with 3000, as the real API does; 401 at the other endpoints."""
    unavailable_models: frozenset[str] = frozenset()
    """Connect, then fail each response with `model_not_found`; 404 at the other endpoints."""
    other_models: frozenset[str] = frozenset()
    """Served beside OpenAI's own, at every endpoint, as other vendors' and self-hosted models are."""
    max_session_s: float = Field(3600.0, gt=0)
    tokens_per_minute: int = Field(40_000, ge=1)
    """What `rate_limits.updated` reports; it limits nothing (see the fault `rate_limit`)."""


class Script(_Strict):
    """One script file."""

    defaults: Defaults = Defaults()
    transcription: Transcription = Transcription()
    chat: Chat = Chat()
    speech: Speech = Speech()
    account: Account = Account()
    replies: tuple[Rule, ...] = ()
    """Tried in order; if none fits, `FALLBACK`. They answer speech sessions and chat alike."""
    faults: tuple[Fault, ...] = ()
    """Set from the start."""


# pydantic names the member of a union it tried; that is no field of the file.
_UNION_TAGS: Final = frozenset({"When", "literal['greeting','default']"})

FALLBACK: Final = Rule(when="default", say="All right.")


def load(path: Path, voices: Collection[str]) -> Script:
    """Read and check a script. Raises `ScriptError` naming file and field."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        script = Script.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScriptError(f"{path}: {error}") from error
    except ValidationError as error:
        lines = (f"{_field(problem['loc'])}: {problem['msg']}" for problem in error.errors())
        raise ScriptError("\n".join(f"{path}: {line}" for line in lines)) from error
    for index, rule in enumerate(script.replies):
        for field, name in (("voice", rule.voice), ("when.recording", rule.conditions.recording)):
            if name is not None and name not in voices:
                known = ", ".join(sorted(voices))
                raise ScriptError(f"{path}: replies[{index}].{field}: no recording {name!r}; known: {known}")
    return script


def _field(location: tuple[int | str, ...]) -> str:
    """`replies[2].say` from pydantic's location."""
    named = (part for part in location if not (isinstance(part, str) and part in _UNION_TAGS))
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named)
    return text.lstrip(".") or "file"
