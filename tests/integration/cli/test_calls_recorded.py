"""`trunkline calls` against a real orchestrator's API: lists, one call, following, forgetting, and its refusals."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

import e2e.command
from common import subjects
from common.bus.connection import Bus
from common.errors import ConfigError
from common.messages import facts
from common.messages.base import decode_as
from common.messages.commands import EndReason
from common.messages.facts import AnyFact, Fact
from e2e.command import Command, environment
from orchestrator.api import Api
from orchestrator.core.record_entries import entries_of
from orchestrator.core.record_vocabulary import Stamp
from orchestrator.records import price_file, writing
from orchestrator.records.erasing import Eraser
from orchestrator.stores import migrating
from orchestrator.stores.database import Database
from trunkline.fleet.records import Records

KEY = "a-key-of-the-api-0123456789"
NUMBER = "+15550100123"
CALL = "CA" + "3" * 32


class Desk:
    """An orchestrator's database and API."""

    def __init__(self, database: Database, api: Api, directory: Path) -> None:
        self._database, self._api, self._directory = database, api, directory

    async def keep(self, *told: AnyFact) -> None:
        from datetime import UTC, datetime

        now, prices = datetime.now(UTC), price_file.load(None)
        for sequence, fact in enumerate(told, 1):
            entries = entries_of(decode_as(Fact, fact.encode()), Stamp(sequence, now), prices)
            await writing.write(self._database, [(fact.call_id, now)], entries)

    def settings(self, key: str = KEY) -> dict[str, str]:
        return {**environment(), "ORCHESTRATOR_API_KEY": key, "ORCHESTRATOR_PORT": str(self._api.port)}

    async def run(self, *arguments: str, key: str = KEY) -> tuple[int | None, Command]:
        command = await e2e.command.run("calls", *arguments, cwd=self._directory, env=self.settings(key))
        return command.process.returncode, command

    async def spoken(self, *arguments: str, key: str = KEY) -> tuple[int | None, str, str]:
        """What a person sees: exit code, output, errors. Nobody answers its questions."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "trunkline", "calls", *arguments),
            cwd=self._directory,
            env=self.settings(key),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        return process.returncode, out.decode(), errors.decode()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'records.db'}")
    await migrating.upgrade(database)
    api = Api(database, Eraser(database), lambda profile: "US", SecretStr(KEY), "127.0.0.1", 0)
    await api.start()
    yield Desk(database, api, tmp_path)
    await api.close()
    await database.close()


def begun(call_id: str = CALL) -> tuple[AnyFact, ...]:
    return (
        facts.CallStarted(
            call_id=call_id,
            leg="twilio",
            edge_id="e",
            profile="desk",
            caller_number=NUMBER,
            started_at="2026-11-30T12:00:00+00:00",
        ),
        facts.CallerSaid(call_id=call_id, item_id="i", text="My \x1b[31mbill.", start_ms=1_000, end_ms=2_000),
        facts.UsageReported(call_id=call_id, response_id="r", model="gpt-realtime-2.1", output_audio_tokens=1_000),
    )


def over(call_id: str = CALL) -> AnyFact:
    return facts.CallEnded(call_id=call_id, at_ms=9_000, reason=EndReason.CALLER_HANGUP, duration_ms=9_000)


async def test_recorded_calls_are_listed_with_the_end_of_their_numbers(desk: Desk) -> None:
    await desk.keep(*begun(), over())
    code, command = await desk.run("--json")
    assert code == 0, command.errors
    (call,) = command.named("call")
    assert (call["call_id"], call["caller_number"], call["cost"]["microdollars"]) == (CALL, "…0123", 64_000)
    assert call["caller_number_national"] == "…0123"
    code, command = await desk.run("--json", "--numbers")
    (call,) = command.named("call")
    assert (call["caller_number"], call["caller_number_national"]) == (NUMBER, "(555) 010-0123")


async def test_one_call_is_shown_with_what_was_said_but_nothing_for_the_terminal(desk: Desk) -> None:
    await desk.keep(*begun(), over())
    code, text, errors = await desk.spoken(CALL)
    assert code == 0, errors
    assert "caller: “My  [31mbill.”" in text
    assert "ended        caller hangup" in text
    assert "$0.0640" in text
    assert NUMBER not in text
    assert "\x1b" not in text
    assert "010-0123" not in text
    code, text, errors = await desk.spoken(CALL, "--numbers")
    assert code == 0, errors
    assert "caller       (555) 010-0123" in text


async def test_a_call_is_followed_until_it_ends(desk: Desk, nats_url: str) -> None:
    await desk.keep(*begun())
    bus = Bus([nats_url], "teller")
    await bus.connect()

    async def tell() -> None:
        while True:  # until the command listens, and has seen the end
            await bus.publish(subjects.fact(CALL), over().encode())
            await asyncio.sleep(0.05)

    telling = asyncio.create_task(tell())
    code, command = await desk.run(CALL, "--follow", "--json", "--nats-url", nats_url)
    telling.cancel()
    await bus.close()
    assert code == 0, command.errors
    assert [event["event"] for event in command.events] == ["call", "fact"]
    assert command.events[-1]["type"] == "call_ended"


async def test_a_caller_is_forgotten_only_when_that_is_sure(desk: Desk) -> None:
    await desk.keep(*begun(), over())
    code, text, _ = await desk.spoken("--erase-caller", NUMBER)
    assert (code, text) == (130, "")
    assert "bill" in (await desk.spoken(CALL))[1]
    code, command = await desk.run("--erase-caller", NUMBER, "--yes", "--json")
    assert (code, command.named("erased")) == (0, [{"event": "erased", "calls": 1}])
    _, command = await desk.run(CALL, "--json")
    assert "bill" not in json.dumps(command.events)


@pytest.mark.parametrize(
    ("arguments", "key", "code", "says"),
    [
        (("CAnobody",), KEY, 1, "there is no record of such a call: `trunkline calls` lists those there are"),
        ((), "another-key-0123456789", 2, "has another ORCHESTRATOR_API_KEY"),
        (("--url", "http://127.0.0.1:1"), KEY, 1, "does not answer: see that it runs"),
        (("--url", "ftp://here"), KEY, 2, "--url: must be an http:// or https:// URL"),
        (("--url", "http://["), KEY, 2, "--url: must be an http:// or https:// URL"),
        (("--erase-caller", "anonymous", "--yes"), KEY, 1, "must be a number in international form"),
        (("CA1",), "", 2, "set ORCHESTRATOR_API_KEY"),
        (("--profile", "desk"), "", 2, "set ORCHESTRATOR_API_KEY and leave --live out"),
        (("--url", "http://127.0.0.1:1"), "", 2, "ORCHESTRATOR_API_KEY is not set"),
    ],
)
async def test_a_failure_is_one_line_that_says_what_to_do(
    desk: Desk, arguments: tuple[str, ...], key: str, code: int, says: str
) -> None:
    ended, text, errors = await desk.spoken(*arguments, key=key)
    assert (ended, text) == (code, "")
    assert says in errors
    assert errors.count("\n") == 1
    assert KEY not in errors


@pytest.mark.parametrize("url", ["", "here", "http://", "http://me:pw@host", "http://host:99999999", "file:///etc"])
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="must be an http:// or https:// URL") as refused:
        Records(url, KEY)
    assert "pw" not in str(refused.value)
