"""What happens to a caller in the keypad menu, and what the menu has done about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from common.messages.facts import LevelCause
from common.prompt_names import Prompt
from fallback.core.choices import Choice

# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entered:
    """No model can be had, for this reason. With a worse one later, a caller who was asked to hold gets the menu."""

    cause: LevelCause


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller pressed one key."""

    digit: str


@dataclass(frozen=True, slots=True)
class PromptsEnded:
    """The prompts of the `Say` with this number are sent; the caller hears them for so much longer. Counts once."""

    number: int
    sounds_on_ms: int = 0


@dataclass(frozen=True, slots=True)
class CallerSpoke:
    """The caller speaks (voice activity detection); may be repeated while that lasts."""


@dataclass(frozen=True, slots=True)
class CallerSilent:
    """The caller does not speak; may be repeated."""


@dataclass(frozen=True, slots=True)
class RecordingKept:
    """The answer to `KeepRecording`: it is on disk."""


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """The answer to `StartRecording` or `KeepRecording`, or anything between: nothing can be recorded."""


@dataclass(frozen=True, slots=True)
class HumanUnreached:
    """The caller is back from a human who was dialled in vain."""


@dataclass(frozen=True, slots=True)
class Left:
    """The menu is over: a model talks again, or the caller is gone."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; due at `next_deadline`."""


Event: TypeAlias = (
    Entered
    | Pressed
    | PromptsEnded
    | CallerSpoke
    | CallerSilent
    | RecordingKept
    | RecordingFailed
    | HumanUnreached
    | Left
    | Tick
)

# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Cut off what is being said, say this; answer with `PromptsEnded` of this number when it is sent."""

    names: tuple[Prompt, ...]
    number: int


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Record the caller from now on."""


class Ending(StrEnum):
    """Why a recording is complete."""

    KEY = "key"
    SILENCE = "silence"
    LENGTH = "length"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class KeepRecording:
    """End the recording and keep it; answer with `RecordingKept` or `RecordingFailed`."""

    why: Ending


@dataclass(frozen=True, slots=True)
class DropRecording:
    """End the recording and forget it."""


@dataclass(frozen=True, slots=True)
class WantCallback:
    """Note that the caller wants to be called back. Comes once a call."""


@dataclass(frozen=True, slots=True)
class GiveToHuman:
    """Have the human of this name in the profile's `transfers` dialled."""

    to: str


@dataclass(frozen=True, slots=True)
class NoteChoice:
    """The caller has chosen; for the metrics."""

    choice: Choice


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller has been said goodbye to: end the call."""


Command: TypeAlias = (
    Say | StartRecording | KeepRecording | DropRecording | WantCallback | GiveToHuman | NoteChoice | HangUp
)
Commands: TypeAlias = tuple[Command, ...]
