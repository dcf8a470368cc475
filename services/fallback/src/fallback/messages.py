"""What callers leave behind: recorded messages and wishes to be called back, kept in one directory."""

import asyncio
import os
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from common import ids, logs, metrics, pcmu
from common.errors import CapacityError, ConfigError, LocalProtocolError, StorageUnavailable, TrunklineError
from common.left_messages import LeftMessage
from fallback.recording_file import PART_SUFFIX, UNFINISHED_SUFFIX, RecordingFile, write_note

log = logs.get("messages")

LONGEST_BYTES: Final = 130 * pcmu.SAMPLE_RATE_HZ
"""Of one message. The menu ends it sooner; this is what room is kept for."""
_WRITE_BYTES: Final = pcmu.SAMPLE_RATE_HZ
"""What a death of this process may cost: a second."""
_WORTH_SALVAGING_MS: Final = 1_000
_ABANDONED_AFTER_S: Final = 60.0
_MB: Final = 1_000_000

T = TypeVar("T")


class Messages:
    """The store. Several replicas may share its directory."""

    def __init__(self, directory: Path, max_mb: int) -> None:
        self.directory = directory
        self.max_bytes = max_mb * _MB
        self._endings: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        """Wait for what is being kept or dropped, also for calls that are over."""
        await asyncio.gather(*self._endings, return_exceptions=True)

    async def to_the_end(self, ending: Coroutine[None, None, T]) -> T:
        """Do it though the call that asked for it may be cancelled meanwhile."""
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._endings.discard(task)
        if not task.cancelled():
            task.exception()  # said and counted where it happened; nobody may be left to be told

    def check(self) -> None:
        """Raise `ConfigError` if nothing could be kept. Makes nothing: the directory comes with the first message."""
        nearest = next(path for path in (self.directory, *self.directory.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise ConfigError(f"FALLBACK_MESSAGES: {nearest} is not a directory")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise ConfigError(f"FALLBACK_MESSAGES: {nearest} cannot be written")

    def begin(self, call_id: str, profile: str, caller_number: str) -> "Recording":
        """Record a message from now on. What the disk makes of it is told by the recording."""
        return Recording(self, _about("message", call_id, profile, caller_number))

    async def note_callback(self, call_id: str, profile: str, caller_number: str) -> LeftMessage:
        """Keep a caller's wish to be called back. Raises `StorageUnavailable`."""
        wish = _about("callback", call_id, profile, caller_number)
        try:
            await asyncio.to_thread(write_note, self.directory, wish)
        except OSError as error:
            raise _counted(error) from error
        return wish

    async def salvage(self) -> tuple[LeftMessage, ...]:
        """Make messages of what replicas that died were recording; what others record now is left alone.

        Meant for the start; may be called at any time. Whoever calls says the facts.
        """
        try:
            return await asyncio.to_thread(_salvage, self.directory)
        except OSError as error:
            _counted(error)
            return ()


def _about(kind: str, call_id: str, profile: str, caller_number: str) -> LeftMessage:
    return LeftMessage.model_validate(
        {
            "kind": kind,
            "message_id": ids.new_id(kind),
            "call_id": call_id[:256],
            "profile": profile,
            "caller_number": caller_number[:256],
            "left_at": datetime.now(UTC),
        }
    )


def _counted(error: OSError) -> StorageUnavailable:
    """A disk's refusal, said and counted."""
    metrics.MESSAGES_LEFT.labels("failed").inc()
    log.error("a message could not be kept", extra=logs.fields(error=error.strerror or type(error).__name__))
    return StorageUnavailable(f"a message could not be kept: {error.strerror or type(error).__name__}")


class Recording:
    """One message while the caller speaks. End it with `keep` or `drop`, once."""

    def __init__(self, store: Messages, about: LeftMessage) -> None:
        self._store = store
        self._about = about
        self._unwritten = bytearray()
        self._length = 0
        self._file: RecordingFile | None = None
        self._failure: TrunklineError | None = None
        self._work = asyncio.create_task(self._begin(), name=f"recording of {about.message_id}")

    @property
    def message_id(self) -> str:
        """Its name for ever."""
        return self._about.message_id

    def write(self, audio: bytes) -> None:
        """Add caller audio; never waits. Raises what became of the recording, if it can go on no more:
        `CapacityError` where the store is full, `StorageUnavailable` where the disk failed."""
        if self._failure is not None:
            raise self._failure
        kept = audio[: LONGEST_BYTES - self._length]
        self._length += len(kept)
        self._unwritten += kept
        if len(self._unwritten) >= _WRITE_BYTES and self._work.done():
            self._work = asyncio.create_task(self._append(_WRITE_BYTES), name=self._work.get_name())

    async def keep(self) -> LeftMessage:
        """End it and make it a message, also if the call is cancelled meanwhile. Raises as `write` does."""
        return await self._store.to_the_end(self._keep())

    async def drop(self) -> None:
        """End it and forget it."""
        await self._store.to_the_end(self._drop())

    async def _keep(self) -> LeftMessage:
        await self._work
        await self._append(1)
        file = self._ended()
        try:
            message = await asyncio.to_thread(file.finish)
        except OSError as error:
            self._failure = _counted(error)
            raise self._failure from error
        metrics.MESSAGES_LEFT.labels("ok").inc()
        return message

    async def _drop(self) -> None:
        await self._work
        if self._failure is not None:
            return
        try:
            await asyncio.to_thread(self._ended().drop)
        except OSError as error:
            _counted(error)
        else:
            metrics.MESSAGES_LEFT.labels("dropped").inc()

    def _ended(self) -> RecordingFile:
        """The file, which is nobody's from now on. Raises what the recording failed by."""
        file, self._file = self._file, None
        if self._failure is not None:
            raise self._failure
        if file is None:
            raise LocalProtocolError(f"the recording {self.message_id} was ended twice")
        return file

    async def _begin(self) -> None:
        try:
            self._file = await asyncio.to_thread(_begin, self._store.directory, self._store.max_bytes, self._about)
        except CapacityError as error:
            metrics.MESSAGES_LEFT.labels("full").inc()
            log.error("no room for a message", extra=logs.fields(directory=str(self._store.directory)))
            self._failure = error
        except OSError as error:
            self._failure = _counted(error)
        await self._append(_WRITE_BYTES)

    async def _append(self, at_least: int) -> None:
        """Write until less than `at_least` bytes wait."""
        while self._file is not None and len(self._unwritten) >= at_least:
            audio = bytes(self._unwritten)
            self._unwritten.clear()
            try:
                await asyncio.to_thread(self._file.append, audio)
            except OSError as error:
                self._failure = _counted(error)
                self._file.close()
                self._file = None


# --- what blocks ----------------------------------------------------------------------------------------------------


def _begin(directory: Path, max_bytes: int, about: LeftMessage) -> RecordingFile:
    if _occupied_bytes(directory) + LONGEST_BYTES > max_bytes:
        raise CapacityError(f"{directory} holds as many messages as FALLBACK_MESSAGES_MAX_MB allows")
    return RecordingFile.begin(directory, about)


def _occupied_bytes(directory: Path) -> int:
    """What is there, and what running recordings may come to."""
    try:
        with os.scandir(directory) as entries:
            return sum(_size(entry) for entry in entries)
    except FileNotFoundError:
        return 0


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        size = entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
    return max(size, LONGEST_BYTES) if entry.name.endswith(PART_SUFFIX) else size


def _salvage(directory: Path) -> tuple[LeftMessage, ...]:
    if not directory.is_dir():
        return ()
    salvaged = [_salvage_one(part) for part in sorted(directory.glob(f"*{PART_SUFFIX}"))]
    _sweep(directory)
    return tuple(message for message in salvaged if message is not None)


def _salvage_one(part: Path) -> LeftMessage | None:
    """The message a left-over has become; None if it is nobody's message, or somebody's still."""
    try:
        file = RecordingFile.claim(part)
        if file is None:
            return None
        if file.duration_ms() < _WORTH_SALVAGING_MS:
            file.drop()
            metrics.MESSAGES_LEFT.labels("dropped").inc()
            return None
        message = file.finish()
    except ValueError as error:
        log.warning("a left-over is no recording", extra=logs.fields(file=part.name, why=str(error)))
        return None
    except OSError as error:
        _counted(error)
        return None
    metrics.MESSAGES_LEFT.labels("salvaged").inc()
    log.info("a message was salvaged", extra=logs.fields(message=message.message_id))
    return message


def _sweep(directory: Path) -> None:
    """Take away files whose writer died before they had a name."""
    for path in directory.glob(f"*{UNFINISHED_SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                path.unlink()
        except FileNotFoundError:
            continue
