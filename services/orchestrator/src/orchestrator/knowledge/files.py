"""Instructions and answers from files."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from common.errors import ConfigError, StorageUnavailable

T = TypeVar("T")

FILE_EVERY_S: Final = 5.0
_MOST_BYTES: Final = 1024 * 1024


class FileSource(Generic[T]):
    """A text file; `parsed` makes of its text what it stands for, or raises `ConfigError`."""

    every_s = FILE_EVERY_S
    is_local = True

    def __init__(self, label: str, setting: str, path: Path, parsed: Callable[[str], T]) -> None:
        self.label, self.setting = label, setting
        self._path, self._parsed = path, parsed
        self._known: tuple[int, int, int] | None = None

    async def read(self) -> T | None:
        """As `Source.read`. In a thread: the file may be on a disk that hangs."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> T | None:
        try:
            found = self._path.stat()
            stamp = found.st_mtime_ns, found.st_size, found.st_ino
            if stamp == self._known:
                return None
            text = self._text()
        except OSError as error:
            raise StorageUnavailable(f"{self.setting}: {self._path} cannot be read: {type(error).__name__}") from None
        value = self._parsed(text)
        self._known = stamp
        return value

    def _text(self) -> str:
        with self._path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{self.setting}: {self._path} is longer than 1 MiB")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise ConfigError(f"{self.setting}: {self._path} is not UTF-8") from None
