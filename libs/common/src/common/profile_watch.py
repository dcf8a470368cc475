"""The agent profiles as they are now: files that change are read again, without a restart."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

from common import logs, metrics
from common.errors import ConfigError
from common.profiles import Profiles, load_profiles, profile_files

log = logs.get("profiles")

_LOOK_EVERY_S: Final = 1.0

_Stamp: TypeAlias = tuple[int, int, int] | None
"""What tells one version of a file from the next; None: it is not there."""


class ProfileWatch:
    """Reads the profiles at once; raises `ConfigError` as `load_profiles` does. Then keep `run` running.

    Whoever begins a call asks for `current`; a running call keeps the profile it began with.
    """

    def __init__(self, directory: Path, setting: str) -> None:
        """`setting` is the operator's name for `directory`."""
        self._directory, self._setting = directory, setting
        self._read: dict[Path, _Stamp] = {}
        """Every file the last reading hung on, as it was just before that."""
        self.current: Profiles = load_profiles(directory, setting, self._note)
        """The newest profiles without a mistake."""
        self._seen = self._read
        self._demands: list[Callable[[Profiles], None]] = []

    def demand(self, check: Callable[[Profiles], None]) -> None:
        """From now on a change is taken only if `check` does not raise `ConfigError`. It is called in a thread."""
        self._demands.append(check)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Look once. A change is taken by the second look that finds the files so: writing them takes a moment.

        In a thread, since reading YAML would keep calls waiting.
        """
        before, self._seen = self._seen, await asyncio.to_thread(_stamps, self._directory, tuple(self._read))
        if self._seen == before and self._seen != self._read:
            await asyncio.to_thread(self._read_again)

    def _read_again(self) -> None:
        self._read = {}
        try:
            read = load_profiles(self._directory, self._setting, self._note)
            for check in self._demands:
                check(read)
        except (ConfigError, OSError) as error:
            metrics.PROFILE_RELOADS.labels("refused").inc()
            why = str(error) if isinstance(error, ConfigError) else type(error).__name__
            log.warning("changed agent profiles are refused, the last good ones stay", extra=logs.fields(why=why))
        else:
            self.current = read
            metrics.PROFILE_RELOADS.labels("taken").inc()
            log.info("agent profiles have changed", extra=logs.fields(agents=len(read.by_name)))

    def _note(self, file: Path) -> None:
        self._read.setdefault(file, _stamp(file))


def _stamps(directory: Path, read: Iterable[Path]) -> dict[Path, _Stamp]:
    return {path: _stamp(path) for path in {*profile_files(directory), *read}}


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
