"""The API of call records over a real socket: what it shows, to whom, and what it says to nonsense."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from common.messages import facts
from common.messages.base import decode_as
from common.messages.commands import EndReason
from common.messages.facts import AnyFact, Fact, LevelCause
from fakes.postgres import PostgresServer
from orchestrator.api import Api
from orchestrator.core.record_entries import entries_of
from orchestrator.core.record_vocabulary import Stamp
from orchestrator.records import price_file, writing
from orchestrator.records.erasing import Eraser
from orchestrator.stores import migrating
from orchestrator.stores.database import Database

KEY = "a-key-of-the-api-0123456789"
PRICES = price_file.load(None)
NUMBER = "+15550100123"


async def keep(database: Database, *told: AnyFact, at: datetime | None = None) -> None:
    """Written as the recorder does."""
    moment = at or datetime.now(UTC)
    seen = [(fact.call_id, moment) for fact in told]
    entries = [
        entry
        for sequence, fact in enumerate(told, 1)
        for entry in entries_of(decode_as(Fact, fact.encode()), Stamp(sequence, moment), PRICES)
    ]
    await writing.write(database, seen, entries)


def call(call_id: str, *, number: str = NUMBER, profile: str = "desk") -> tuple[AnyFact, ...]:
    return (
        facts.CallStarted(
            call_id=call_id,
            leg="twilio",
            edge_id="e",
            profile=profile,
            caller_number=number,
            dialled_number="+15550100999",
            started_at="2026-11-30T12:00:00+00:00",
        ),
        facts.CallerSaid(call_id=call_id, item_id="i", text="my secret words", start_ms=1, end_ms=2),
        facts.ToolCalled(call_id=call_id, item_id="i", tool_call_id="t", name="n", arguments='{"pin": 1234}'),
        facts.ToolReturned(call_id=call_id, tool_call_id="t", output="balance 99"),
    )


def country_of(profile: str) -> str:
    return "JP" if profile == "madoguchi" else "US"


class Client:
    """Somebody who asks."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self._http, self._base = http, base

    async def ask(self, path: str, method: str = "GET", **options: Any) -> tuple[int, Any, Any]:
        options.setdefault("headers", {"Authorization": f"Bearer {KEY}"})
        async with self._http.request(method, f"{self._base}{path}", **options) as answer:
            return answer.status, await answer.json(), answer.headers


@contextlib.asynccontextmanager
async def served(database: Database) -> AsyncIterator[Client]:
    api = Api(database, Eraser(database), country_of, SecretStr(KEY), "127.0.0.1", 0)
    await api.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Client(http, f"http://127.0.0.1:{api.port}")
    finally:
        await api.close()


@pytest.fixture
async def client(database: Database) -> AsyncIterator[Client]:
    async with served(database) as made:
        yield made


def refused_keys() -> float:
    return REGISTRY.get_sample_value("trunkline_security_rejects_total", {"kind": "api_key"}) or 0.0


@pytest.mark.parametrize("path", ["/calls", "/calls/CA1", "/openapi.json"])
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}, {"Authorization": "Bearer "}]
)
async def test_nothing_is_shown_without_the_key(client: Client, path: str, headers: dict[str, str]) -> None:
    before = refused_keys()
    status, answer, given = await client.ask(path, headers=headers)
    assert (status, answer) == (401, {"detail": "a bearer key is needed"})
    assert given["WWW-Authenticate"] == "Bearer"
    assert refused_keys() == before + 1


async def test_nothing_is_deleted_without_the_key(client: Client, database: Database) -> None:
    await keep(database, *call("CA1"))
    assert (await client.ask(f"/callers/{NUMBER}", "DELETE", headers={}))[0] == 401
    assert (await client.ask("/calls/CA1"))[1]["caller_number"] == NUMBER


async def test_without_a_key_in_the_settings_there_is_no_api(database: Database) -> None:
    api = Api(database, Eraser(database), country_of, None, "127.0.0.1", 0)
    await api.start()
    assert api.port is None
    await api.close()


async def test_a_number_is_shown_as_the_profiles_country_writes_it_too(client: Client, database: Database) -> None:
    await keep(database, *call("CA1", number="+819012345678", profile="madoguchi"))
    await keep(database, *call("CA2", number="+819012345678"))
    listed = {each["call_id"]: each["caller_number_national"] for each in (await client.ask("/calls"))[1]["calls"]}
    assert listed == {"CA1": "090-1234-5678", "CA2": "+81 90-1234-5678"}
    assert (await client.ask("/calls/CA1"))[1]["caller_number_national"] == "090-1234-5678"


async def test_a_list_goes_on_where_it_stopped_and_shows_each_call_once(client: Client, database: Database) -> None:
    begun = datetime.now(UTC) - timedelta(hours=1)
    for number in range(7):
        await keep(database, *call(f"CA{number}"), at=begun + timedelta(minutes=number // 2))
    shown: list[str] = []
    path = "/calls?limit=3"
    while True:
        status, answer, _ = await client.ask(path)
        assert status == 200
        shown += [each["call_id"] for each in answer["calls"]]
        if answer["next_cursor"] is None:
            break
        path = f"/calls?limit=3&cursor={answer['next_cursor']}"
    assert shown == ["CA6", "CA5", "CA4", "CA3", "CA2", "CA1", "CA0"]


async def test_a_list_is_filtered_by_time_profile_caller_and_life(client: Client, database: Database) -> None:
    now = datetime.now(UTC)
    await keep(database, *call("CAold"), at=now - timedelta(days=3))
    await keep(database, *call("CAnew", profile="sales", number="+4930901820"), at=now - timedelta(minutes=5))
    await keep(database, facts.CallEnded(call_id="CAold", reason=EndReason.CALLER_HANGUP, duration_ms=5), at=now)

    async def listed(**query: str) -> list[str]:
        _, answer, _ = await client.ask("/calls", params=query)
        return [each["call_id"] for each in answer["calls"]]

    yesterday = (now - timedelta(days=1)).isoformat()
    assert await listed(since=yesterday) == ["CAnew"]
    assert await listed(until=yesterday) == ["CAold"]
    assert await listed(profile="sales") == ["CAnew"]
    assert await listed(caller="+49 30 901820") == ["CAnew"]
    assert await listed(live="true") == ["CAnew"]
    assert await listed(live="false") == ["CAold"]


async def test_a_call_that_never_said_it_ended_is_not_live_for_ever(client: Client, database: Database) -> None:
    await keep(database, *call("CAlost"), at=datetime.now(UTC) - timedelta(days=2))
    assert (await client.ask("/calls/CAlost"))[1]["is_live"] is False
    assert (await client.ask("/calls?live=true"))[1]["calls"] == []


async def test_how_a_call_is_served_now_is_shown(client: Client, database: Database) -> None:
    down = facts.ServiceLevelChanged(call_id="CA1", level=2, before=0, cause=LevelCause.PROVIDER_FAILED)
    await keep(database, *call("CA1"))
    assert (await client.ask("/calls/CA1"))[1]["realtime_mode"] == "realtime"
    await keep(database, down)
    _, answer, _ = await client.ask("/calls/CA1")
    assert (answer["realtime_mode"], answer["service_level"], answer["is_live"]) == ("fallback", 2, True)


@pytest.mark.parametrize(
    "path",
    [
        "/calls?cursor=nonsense",
        "/calls?cursor=" + "A" * 500,
        "/calls?limit=0",
        "/calls?limit=201",
        "/calls?limit=many",
        "/calls?since=yesterday",
        "/calls?since=2026-11-30T12:00:00",
        "/calls?since=0001-01-01T00:00:00%2B14:00",
        "/calls?live=perhaps",
        "/calls?caller=anonymous",
        "/calls?profile=%00",
        "/calls/two%20words",
        "/calls/%00",
        "/calls/" + "x" * 65,
    ],
)
async def test_nonsense_is_refused_as_such(client: Client, path: str) -> None:
    assert (await client.ask(path))[0] == 422


async def test_a_call_nobody_knows_is_not_found(client: Client) -> None:
    assert (await client.ask("/calls/CAnobody"))[:2] == (404, {"detail": "there is no record of such a call"})


async def test_a_caller_is_forgotten_however_the_number_is_written(client: Client, database: Database) -> None:
    await keep(database, *call("CA1"))
    await keep(database, *call("CA2"))
    await keep(database, *call("CAother", number="+4930901820"))
    assert (await client.ask("/callers/+1%20555-010-0123", "DELETE"))[:2] == (200, {"calls": 2})
    for call_id in ("CA1", "CA2"):
        text = str((await client.ask(f"/calls/{call_id}"))[1])
        assert not [left for left in ("secret words", "1234", "balance", "5550100") if left in text]
    assert "secret words" in str((await client.ask("/calls/CAother"))[1])
    assert (await client.ask(f"/callers/{NUMBER}", "DELETE"))[:2] == (200, {"calls": 0})


async def test_a_forgotten_number_does_not_come_back_with_a_fact_told_again(client: Client, database: Database) -> None:
    await keep(database, *call("CA1"))
    await client.ask(f"/callers/{NUMBER}", "DELETE")
    again = call("CA1")
    promise = facts.CallbackWanted(call_id="CA1", profile="desk", caller_number=NUMBER)
    await keep(database, facts.TurnEnded(call_id="CA1", item_id="i", end_ms=1), *again, promise)
    answer = (await client.ask("/calls/CA1"))[1]
    assert (answer["caller_number"], answer["caller_number_national"], answer["dialled_number"]) == (None, None, None)


@pytest.mark.parametrize("number", ["anonymous", "%20", "-", "restricted"])
async def test_who_is_many_people_cannot_be_forgotten(client: Client, number: str) -> None:
    assert (await client.ask(f"/callers/{number}", "DELETE"))[0] == 422


async def test_the_description_says_what_there_is(client: Client) -> None:
    _, answer, _ = await client.ask("/openapi.json")
    assert set(answer["paths"]) == {"/calls", "/calls/{call_id}", "/callers/{number}"}
    assert answer["components"]["securitySchemes"]


async def test_while_the_database_is_away_it_is_said_when_to_ask_again(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())
    await migrating.upgrade(database)
    async with served(database) as client:
        postgres.stop()
        try:
            for path, method in (("/calls", "GET"), ("/calls/CA1", "GET"), (f"/callers/{NUMBER}", "DELETE")):
                status, answer, headers = await client.ask(path, method)
                assert (status, answer) == (503, {"detail": "the database is away"})
                assert int(headers["Retry-After"]) > 0
        finally:
            postgres.start()
        assert (await client.ask("/calls"))[0] == 200
    await database.close()
