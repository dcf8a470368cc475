"""The bucket `flags`: what operators have set, and what they had set before."""

from dataclasses import dataclass
from typing import Final

from common import subjects
from common.bus import direct_get
from common.bus.connection import Bus
from common.bus.direct_get import Kept

_STREAM: Final = f"KV_{subjects.FLAGS_BUCKET}"
_PREFIX: Final = f"$KV.{subjects.FLAGS_BUCKET}."
_EVERY: Final = f"{_PREFIX}>"


@dataclass(frozen=True, slots=True)
class FlagEntry:
    """One flag as it was set or taken away, by anybody who may write there: not checked yet."""

    name: str
    text: str | None
    """None: it was taken away."""
    revision: int
    at: str
    """Wall clock, ISO 8601 UTC: for people."""


async def read(bus: Bus, within_s: float) -> tuple[FlagEntry, ...]:
    """The newest entry of every flag. Raises `UpstreamUnavailable` or `DeadlineExceeded`."""
    return tuple(map(_entry, await direct_get.last_of_each(bus, _STREAM, _EVERY, within_s)))


async def history(bus: Bus, within_s: float) -> tuple[FlagEntry, ...]:
    """The last entries of every flag, the oldest first. Raises as `read` does."""
    return tuple(map(_entry, await direct_get.all_of(bus, _STREAM, _EVERY, within_s)))


def _entry(kept: Kept) -> FlagEntry:
    is_marker = "KV-Operation" in kept.headers or "Nats-Marker-Reason" in kept.headers
    text = None if is_marker else kept.data.decode(errors="replace")
    return FlagEntry(kept.subject.removeprefix(_PREFIX), text, kept.sequence, kept.stored_at)
