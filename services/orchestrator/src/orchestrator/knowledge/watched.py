"""One source as it was when it was last good."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from common import logs, metrics
from common.errors import ConfigError, StorageUnavailable
from orchestrator.knowledge.source import Source

log = logs.get("knowledge")

T = TypeVar("T")


class Watched(Generic[T]):
    """Reads a source over and over. `value` is what it held last that could be used; None: nothing yet."""

    def __init__(self, source: Source[T], accept: Callable[[T], None], on_change: Callable[[T], None]) -> None:
        """`accept` raises `ConfigError` for what cannot be used; `on_change` is told of what is, if it is new."""
        self.source = source
        self.value: T | None = None
        self._accept, self._on_change = accept, on_change
        self._refused: T | None = None
        self._said = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self.source.every_s)

    async def look(self) -> str | None:
        """Read once. Returns what is wrong, which is said once as long as it stays the same; None: nothing."""
        try:
            result = self._take(await self.source.read())
        except (ConfigError, StorageUnavailable) as error:
            result = "broken" if isinstance(error, ConfigError) else "away"
            self._say(str(error))
        else:
            self._said = ""
        metrics.KNOWLEDGE_REFRESHES.labels(self.source.label, result).inc()
        return self._said or None

    def _take(self, fresh: T | None) -> str:
        """What was refused is tried again: what it did not fit to may have changed."""
        candidate = fresh if fresh is not None else self._refused
        if candidate is None or candidate == self.value:
            self._refused = None
            return "unchanged"
        self._refused = candidate
        try:
            self._accept(candidate)
        except ConfigError as error:
            raise ConfigError(f"{self.source.setting}: {error}") from None
        self.value, self._refused = candidate, None
        self._on_change(candidate)
        log.info("knowledge has changed", extra=logs.fields(source=self.source.label))
        return "changed"

    def _say(self, why: str) -> None:
        if why != self._said:
            self._said = why
            log.warning("knowledge cannot be refreshed", extra=logs.fields(source=self.source.label, why=why))
