"""The watch over the flags: knows at any moment, without waiting, where a call belongs.

It reads the whole bucket once a second, in one request. A watcher of JetStream would hear of changes a little sooner,
but it is a consumer: it must be noticed when it has died and made again, and what it leaves behind cleared away.
"""

import asyncio
from typing import Final

from common import logs, metrics
from common.bus import flag_bucket
from common.bus.connection import Bus
from common.bus.flag_bucket import FlagEntry
from common.errors import ConfigError, DeadlineExceeded, UpstreamUnavailable
from common.flags import Flags, FlagValue, parse
from common.subjects import Pool

log = logs.get("flags")

_LOOK_EVERY_S: Final = 1.0
_ANSWER_WITHIN_S: Final = 2.0


class FlagWatch:
    """Keep `run` running. Until the bucket was read once, and for what is not in it, `first` counts."""

    def __init__(self, bus: Bus, first: Flags) -> None:
        self._bus = bus
        self._first = first
        self._values: dict[str, FlagValue] = {}
        self._refused: dict[str, int] = {}
        """Names with the revision that could not be understood: each is counted and said once."""
        self.current = first
        """How the flags stand, as far as is known here."""

    async def run(self) -> None:
        """Until cancelled. While JetStream or the bus is away, what was known last counts on."""
        while True:
            try:
                self._take(await flag_bucket.read(self._bus, _ANSWER_WITHIN_S))
            except (UpstreamUnavailable, DeadlineExceeded) as error:
                log.debug("the flags cannot be read now", extra=logs.fields(error=error.code))
            await asyncio.sleep(_LOOK_EVERY_S)

    def home_of(self, call_id: str, profile_name: str) -> Pool:
        """The pool of talkers a new call belongs to."""
        return self.current.home_of(call_id, profile_name)

    def is_fallback_enabled(self) -> bool:
        """False while no call may go to the pool `fallback`."""
        return self.current.is_fallback_enabled

    def _take(self, entries: tuple[FlagEntry, ...]) -> None:
        """What cannot be understood leaves its flag as it was."""
        kept = {entry.name: self._value(entry) for entry in entries if entry.text is not None}
        self._values = {name: value for name, value in kept.items() if value is not None}
        flags = self._first.changed_by(self._values)
        if flags != self.current:
            self.current = flags
            log.info(
                "the flags have changed",
                extra=logs.fields(
                    realtime=flags.is_realtime_enabled,
                    rollout_percent=flags.rollout_percent,
                    own_rollouts=len(flags.rollout_percents),
                    fallback=flags.is_fallback_enabled,
                ),
            )

    def _value(self, entry: FlagEntry) -> FlagValue | None:
        try:
            return parse(entry.name, entry.text or "")
        except ConfigError as error:
            if self._refused.get(entry.name) != entry.revision:
                self._refused[entry.name] = entry.revision
                metrics.BUS_REJECTS.labels("malformed").inc()
                log.warning("a flag in the bucket is refused", extra=logs.fields(why=str(error)))
            return self._values.get(entry.name)
