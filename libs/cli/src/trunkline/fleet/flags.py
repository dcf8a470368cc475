"""Reads the flags of a fleet and changes them: nobody's change is overwritten unseen, and each leaves a fact."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyWrongLastSequenceError

from common import subjects
from common.bus import flag_bucket
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.flag_bucket import FlagEntry
from common.ending import end_tasks
from common.errors import ConfigError, DeadlineExceeded, TrunklineError, UpstreamUnavailable
from common.flags import FlagValue, check_together, parse
from common.messages.facts import FLEET, FlagChanged

_WITHIN_S: Final = 5.0
_RECORDED_WITHIN_S: Final = 5.0
_SOMEBODY_ELSE: Final = (10071, 10164)
"""JetStream's codes for: the last message of this subject is another than you say."""

_TEXT_TOLD: Final = 40
"""Of a value somebody else has put there: it may be anything."""


@dataclass(frozen=True, slots=True)
class FlagChange:
    """What became of a flag. None: not set."""

    name: str
    before: str | None
    after: str | None


async def read(bus: Bus) -> dict[str, FlagEntry]:
    """The newest entry of every flag, also of those that were taken away. Raises `TrunklineError` without JetStream."""
    try:
        return {entry.name: entry for entry in await flag_bucket.read(bus, _WITHIN_S)}
    except (UpstreamUnavailable, DeadlineExceeded) as error:
        raise _no_bucket() from error


async def history(bus: Bus) -> tuple[FlagEntry, ...]:
    """The last changes, the newest first. Raises `TrunklineError` without JetStream."""
    try:
        entries = await flag_bucket.history(bus, _WITHIN_S)
    except (UpstreamUnavailable, DeadlineExceeded) as error:
        raise _no_bucket() from error
    return tuple(sorted(entries, key=lambda entry: entry.revision, reverse=True))


async def change(bus: Bus, name: str, text: str | None) -> FlagChange:
    """Set the flag (None: take it away) and wait until the fact of it is stored. If it is so already, nothing is done.

    Raises `TrunklineError` if it cannot be, or if somebody else was faster; `ConfigError` if it contradicts the others.
    """
    known = await read(bus)
    entry = known.get(name, FlagEntry(name, None, 0, ""))
    wanted = FlagChange(name, entry.text, text)
    if wanted.before == wanted.after:
        return wanted
    check_together(_values(known) | ({} if text is None else {name: parse(name, text)}))
    await _write(bus, wanted, entry.revision)
    await _tell(bus, wanted)
    return wanted


def _values(entries: Mapping[str, FlagEntry]) -> dict[str, FlagValue]:
    """Those that can be understood: the others count for no edge either."""
    values: dict[str, FlagValue] = {}
    for entry in entries.values():
        try:
            values |= {} if entry.text is None else {entry.name: parse(entry.name, entry.text)}
        except ConfigError:
            continue
    return values


async def _write(bus: Bus, wanted: FlagChange, revision: int) -> None:
    """Compare and set."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            bucket = await bus.jetstream.key_value(subjects.FLAGS_BUCKET)
            if wanted.after is None:
                await bucket.delete(wanted.name, last=revision)
            else:
                await bucket.update(wanted.name, wanted.after.encode(), last=revision)
    except (NatsError, TimeoutError, OSError) as error:
        raise await _why_not(bus, wanted, error) from error


async def _why_not(bus: Bus, wanted: FlagChange, error: Exception) -> TrunklineError:
    if _is_conflict(error):
        now = (await read(bus)).get(wanted.name)
        stands = "not set" if now is None or now.text is None else repr(now.text[:_TEXT_TOLD])
        return TrunklineError(f"somebody else has just changed {wanted.name}: it is now {stands}; nothing was done")
    return UpstreamUnavailable(
        f"JetStream did not say that it took the change ({type(error).__name__}): see `trunkline flags show`, try again"
    )


def _is_conflict(error: Exception) -> bool:
    """nats-py translates the code for `update`, and has none then; for `delete` it does not."""
    if isinstance(error, KeyWrongLastSequenceError):
        return True
    return isinstance(error, APIError) and error.err_code in _SOMEBODY_ELSE


async def _tell(bus: Bus, changed: FlagChange) -> None:
    writer = FactWriter(bus)
    await writer.start()
    running = asyncio.create_task(writer.run())
    try:
        writer.write(
            FlagChanged(
                call_id=FLEET,
                name=changed.name,
                value=changed.after or "",
                before=(changed.before or "")[:_TEXT_TOLD],
                changed_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )
        await writer.settle(_RECORDED_WITHIN_S)
    finally:
        await end_tasks([running])
    if writer.pending:
        raise UpstreamUnavailable(
            f"{changed.name} is changed, but the stream of facts did not take the record of it: is JetStream well?"
        )


def _no_bucket() -> TrunklineError:
    return UpstreamUnavailable(
        "the flags cannot be read: JetStream does not answer, or no service has run yet that makes their bucket; "
        "`trunkline ps` shows what lives"
    )
