"""What callers have left behind, as it lies on disk: a JSON file for each message or wish, a WAV beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from common.errors import StorageUnavailable
from common.ids import is_subject_token

DEFAULT_DIRECTORY: Final = Path("var/messages")
NOTE_SUFFIX: Final = ".json"
AUDIO_SUFFIX: Final = ".wav"
_LONGEST_NOTE_BYTES: Final = 16_384


class LeftMessage(BaseModel):
    """What is known of one; the words are in the WAV only."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["message", "callback"] = "message"
    message_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    call_id: str = Field(max_length=256)
    profile: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    caller_number: str = Field("", max_length=256)
    left_at: AwareDatetime
    """When the caller began to speak, or wished; wall clock, for people."""
    duration_ms: int = Field(0, ge=0)

    def note_path(self, directory: Path) -> Path:
        """Where this is kept."""
        return directory / f"{self.message_id}{NOTE_SUFFIX}"

    def audio_path(self, directory: Path) -> Path | None:
        """Where the recording is; None: it is a wish."""
        return directory / f"{self.message_id}{AUDIO_SUFFIX}" if self.kind == "message" else None


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything in a directory, newest first."""

    messages: tuple[LeftMessage, ...]
    unreadable: tuple[Path, ...]
    """Files that should be messages and are not."""


def read_all(directory: Path) -> Listing:
    """What has been left: nothing where there is no directory. Raises `StorageUnavailable` if it cannot be read."""
    messages: list[LeftMessage] = []
    unreadable: list[Path] = []
    for path in _notes(directory):
        message = _read(path)
        if message is None:
            unreadable.append(path)
        else:
            messages.append(message)
    newest_first = sorted(messages, key=lambda message: (message.left_at, message.message_id), reverse=True)
    return Listing(tuple(newest_first), tuple(sorted(unreadable)))


def delete(directory: Path, message_id: str) -> None:
    """Delete one with its recording. Raises `StorageUnavailable` if it is not there or cannot be deleted."""
    if not is_subject_token(message_id):
        raise StorageUnavailable("that is no id of a message")
    note = directory / f"{message_id}{NOTE_SUFFIX}"
    if not note.is_file():
        raise StorageUnavailable(f"there is no message {message_id} in {directory}")
    try:
        note.with_suffix(AUDIO_SUFFIX).unlink(missing_ok=True)
        note.unlink()
    except OSError as error:
        raise StorageUnavailable(f"{message_id} cannot be deleted: {error.strerror}") from error


def _notes(directory: Path) -> Iterator[Path]:
    try:
        entries = sorted(directory.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageUnavailable(f"{directory} cannot be read: {error.strerror}") from error
    yield from (path for path in entries if path.suffix == NOTE_SUFFIX and not path.name.startswith("."))


def _read(path: Path) -> LeftMessage | None:
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST_NOTE_BYTES:
            return None
        message = LeftMessage.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return message if message.message_id == path.stem else None
