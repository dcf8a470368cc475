"""What is kept how long: words go first, whole records later, and what comes late goes too."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from common.errors import StorageUnavailable
from common.messages import facts
from common.messages.base import decode_as
from common.messages.facts import FLEET, Fact
from orchestrator.core.record_entries import entries_of
from orchestrator.core.record_vocabulary import Stamp
from orchestrator.records import price_file, reading, writing
from orchestrator.records.answers import CallRecord
from orchestrator.records.erasing import Eraser
from orchestrator.records.retention import Retention
from orchestrator.stores.database import Database

NOW = datetime.now(UTC)
NUMBER = "+15550100123"


async def keep(database: Database, call_id: str, days_ago: float, words: str = "private") -> None:
    at = NOW - timedelta(days=days_ago)
    told = (
        facts.CallStarted(
            call_id=call_id,
            leg="twilio",
            edge_id="e",
            profile="p",
            caller_number=NUMBER,
            started_at=at.isoformat(),
        ),
        facts.CallerSaid(call_id=call_id, item_id="i", text=words, start_ms=1, end_ms=2),
    )
    entries = [
        entry
        for fact in told
        for entry in entries_of(decode_as(Fact, fact.encode()), Stamp(1, at), price_file.load(None))
    ]
    await writing.write(database, [(call_id, at)], entries)


async def record(database: Database, call_id: str) -> CallRecord | None:
    return await reading.record(database, call_id)


async def words(database: Database, call_id: str) -> list[str | None]:
    found = await record(database, call_id)
    assert found is not None
    return [turn.text for turn in found.turns]


def retention(database: Database, others: Sequence["Elsewhere"] = ()) -> Retention:
    return Retention(Eraser(database, others), 30, 400)


class Elsewhere:
    """Another place that keeps words."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.forgotten: list[str] = []
        self.is_away = is_away

    async def forget(self, call_ids: Sequence[str]) -> None:
        if self.is_away:
            raise StorageUnavailable("elsewhere is away")
        self.forgotten.extend(call_ids)


async def test_words_and_numbers_go_first_and_whole_records_later(database: Database) -> None:
    for call_id, days_ago in (("CAnew", 29.0), ("CAold", 31.0), ("CAancient", 401.0)):
        await keep(database, call_id, days_ago)
    await retention(database).once(NOW)
    assert await words(database, "CAnew") == ["private"]
    old = await record(database, "CAold")
    assert old is not None
    assert (old.caller_number, old.profile, [turn.text for turn in old.turns]) == (None, "p", [None])
    assert old.words_erased_at is not None
    assert await record(database, "CAancient") is None
    async with database.transaction() as connection:
        left = await connection.execute(text("SELECT count(*) FROM turns WHERE call_id = 'CAancient'"))
        assert left.scalar_one() == 0


async def test_more_than_one_batch_is_deleted_at_once(database: Database) -> None:
    for number in range(230):
        await keep(database, f"CA{number}", 40)
    assert await Eraser(database).erase_caller(NUMBER) == 230
    assert await Eraser(database).erase_caller(NUMBER) == 0


async def test_two_replicas_that_delete_at_the_same_time_do_no_harm(database: Database) -> None:
    for number in range(60):
        await keep(database, f"CA{number}", 31 if number % 2 else 401)
    both = await asyncio.gather(retention(database).once(NOW), retention(database).once(NOW), return_exceptions=True)
    assert [each for each in both if each is not None and not isinstance(each, StorageUnavailable)] == []
    await retention(database).once(NOW)
    listed = await reading.page(database, reading.Filter(), None, 200)
    assert len(listed.calls) == 30
    assert all(each.caller_number is None for each in listed.calls)


async def test_words_that_come_after_their_call_was_forgotten_go_with_the_next_round(database: Database) -> None:
    await keep(database, "CA1", 0)
    assert await Eraser(database).erase_caller(NUMBER) == 1
    await keep(database, "CA1", 0, "said afterwards")
    assert await words(database, "CA1") == [None, "said afterwards"]
    await retention(database).once(NOW)
    assert await words(database, "CA1") == [None, None]


async def test_other_places_forget_before_the_call_cannot_be_found_any_more(database: Database) -> None:
    await keep(database, "CA1", 0)
    away, there = Elsewhere(is_away=True), Elsewhere()
    with pytest.raises(StorageUnavailable):
        await Eraser(database, [away]).erase_caller(NUMBER)
    assert await words(database, "CA1") == ["private"], "asking again has to find it"
    assert await Eraser(database, [there]).erase_caller(NUMBER) == 1
    assert there.forgotten == ["CA1"]


async def test_audits_of_the_fleet_age_too(database: Database) -> None:
    flag = facts.FlagChanged(call_id=FLEET, name="realtime.enabled", value="false", changed_at="then")
    for days_ago in (401, 1):
        at = NOW - timedelta(days=days_ago)
        named = flag.model_copy(update={"fact_id": f"fact-{days_ago}"})
        await writing.write(
            database, [], entries_of(decode_as(Fact, named.encode()), Stamp(1, at), price_file.load(None))
        )
    await retention(database).once(NOW)
    async with database.transaction() as connection:
        left = (await connection.execute(text("SELECT fact_id FROM flags_audit"))).scalars().all()
    assert list(left) == ["fact-1"]
