"""One recording on disk while it is being made: it grows as `.part`, and becomes a message in one step.

A `.part` is a line of JSON (what is known of the message) and then raw pcmu. Whoever records holds a lock on it, which
the kernel takes away with the process: what lies there without a lock belongs to nobody any more and can be salvaged.
Everything here blocks; it is called in threads.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from common import pcmu, wav
from common.left_messages import AUDIO_SUFFIX, LeftMessage

PART_SUFFIX: Final = ".part"
UNFINISHED_SUFFIX: Final = ".tmp"
_FILE_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700
_LONGEST_HEAD_BYTES: Final = 16_384


class RecordingFile:
    """A `.part` that is ours. Every method raises `OSError` as the disk does."""

    def __init__(self, directory: Path, about: LeftMessage, descriptor: int) -> None:
        self._directory = directory
        self._descriptor = descriptor
        self.about = about

    @property
    def _path(self) -> Path:
        return self._directory / f"{self.about.message_id}{PART_SUFFIX}"

    @classmethod
    def begin(cls, directory: Path, about: LeftMessage) -> "RecordingFile":
        """A new one. It is locked before it has its name, so nobody else can take it for a left-over."""
        make_directory(directory)
        part = directory / f"{about.message_id}{PART_SUFFIX}"
        nameless = part.with_name(part.name + UNFINISHED_SUFFIX)
        descriptor = os.open(nameless, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, _FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(descriptor, about.model_dump_json().encode() + b"\n")
            os.rename(nameless, part)
        except BaseException:
            nameless.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return cls(directory, about, descriptor)

    @classmethod
    def claim(cls, part: Path) -> "RecordingFile | None":
        """A left-over that is ours now; None if somebody records into it. Raises `ValueError` if it is none of ours."""
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_gone = os.fstat(descriptor).st_ino != part.stat().st_ino
            about = None if is_gone else _read_head(descriptor, part.stem)
        except (BlockingIOError, FileNotFoundError):
            about = None
        except BaseException:
            os.close(descriptor)
            raise
        if about is None:
            os.close(descriptor)
            return None
        return cls(part.parent, about, descriptor)

    def append(self, audio: bytes) -> None:
        """Add audio; it survives this process from now on."""
        _write_all(self._descriptor, audio)

    def finish(self) -> LeftMessage:
        """Make it a message that survives the machine. If that fails it is a left-over, and may be claimed."""
        try:
            message = self._finish()
            self._path.unlink()
        finally:
            os.close(self._descriptor)
        return message

    def _finish(self) -> LeftMessage:
        audio = self._audio()
        message = self.about.model_copy(update={"duration_ms": pcmu.duration_ms(audio)})
        _replace(self._path.with_suffix(AUDIO_SUFFIX), wav.header(len(audio)) + audio + wav.trailer(len(audio)))
        write_note(self._directory, message)
        return message

    def drop(self) -> None:
        """As if it had never been."""
        try:
            self._path.unlink()
        finally:
            os.close(self._descriptor)

    def close(self) -> None:
        """Let go of it; what it holds can be salvaged."""
        os.close(self._descriptor)

    def duration_ms(self) -> int:
        """How much is on disk."""
        return pcmu.duration_ms(self._audio())

    def _audio(self) -> bytes:
        size = os.fstat(self._descriptor).st_size
        return os.pread(self._descriptor, size, 0).partition(b"\n")[2]


def write_note(directory: Path, message: LeftMessage) -> None:
    """Write what makes a message one: from now on it is there, with its recording if it has one."""
    make_directory(directory)
    _replace(message.note_path(directory), message.model_dump_json(indent=2).encode() + b"\n")
    _sync_directory(directory)


def make_directory(directory: Path) -> None:
    """Numbers and voices lie in it: for our eyes only."""
    directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    os.rename(unfinished, path)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_head(descriptor: int, message_id: str) -> LeftMessage:
    head, newline, _ = os.pread(descriptor, _LONGEST_HEAD_BYTES, 0).partition(b"\n")
    try:
        about = LeftMessage.model_validate_json(head)
    except ValidationError:
        raise ValueError("it does not begin as a recording of ours does") from None
    if not newline or about.message_id != message_id:
        raise ValueError("it does not begin as a recording of ours does")
    return about
