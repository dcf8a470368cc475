"""The REST safety net: against the simulated Twilio cloud, and against an API that has bad days."""

import asyncio
import base64
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from common import ids, subjects
from common.background import Background
from common.bus import topology
from common.bus.connection import Bus
from edge import rescue
from edge.registry import CallEntry, Registry
from edge.rescue import Rescue
from fakes.nats import free_port
from fakes.talker import talking
from fakes.waiting import until
from integration.edge.phone import ACCOUNT, AUTH_TOKEN, new_call_sid
from integration.edge.running import counted, edge_process, settings_for
from integration.edge.two_edges import all_known, lets_itself_be_adopted

SCRIPT = """
steps:
  - wait_for_agent_speech
  - hangup
"""
NEVER_NOTICED_MS = "3600000"
KEY_SID = "SK" + "0" * 32


async def test_a_call_whose_broken_stream_twilio_does_not_notice_is_brought_back(nats_url: str, tmp_path: Path) -> None:
    port, rest_port = free_port(), free_port()
    environ = {"EDGE_REST_RESCUE": "1", "TWILIO_API_BASE_URL": f"http://127.0.0.1:{rest_port}"}
    async with (
        edge_process(nats_url, tmp_path, port=port, environ=environ) as one,
        edge_process(nats_url, tmp_path, port=port, environ=environ) as other,
        talking(nats_url) as talker,
    ):
        await all_known(nats_url, 2)
        await one.phone.connected(new_call_sid())  # the talker is known
        async with simulated_call(tmp_path, port, rest_port) as events:
            await talker.cut_over_to()
            adoptions = lets_itself_be_adopted(talker)
            labels = {"direction": "inbound", "carrier": "twilio"}
            carrier, survivor = (one, other) if await one.counted("calls_admitted_total", **labels) else (other, one)
            carrier.process.kill()
            await carrier.process.wait()
            await until(lambda: adoptions, within_s=60)
            await survivor.counts(1, "rescues_total", result="asked")
            await second_stream(events)
        assert await survivor.counted("rescues_total", result="asked") == 1
        assert AUTH_TOKEN not in survivor.log()
        assert await survivor.stop() == 0


@contextlib.asynccontextmanager
async def simulated_call(directory: Path, port: int, rest_port: int) -> AsyncIterator[asyncio.StreamReader]:
    """One call of the simulated cloud, which never notices that a socket is dead. Gives its events."""
    script = directory / "caller.yaml"
    script.write_text(SCRIPT, encoding="utf-8")
    options = {
        "--voice-url": f"http://127.0.0.1:{port}/twilio/voice",
        "--account-sid": ACCOUNT,
        "--auth-token": AUTH_TOKEN,
        "--script": str(script),
        "--rest-port": str(rest_port),
        "--drop-delay-ms": NEVER_NOTICED_MS,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators.twilio",
        "--events",
        *(part for option in options.items() for part in option),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def second_stream(events: asyncio.StreamReader) -> None:
    """Wait until the call has a stream again."""
    streams = 0
    async with asyncio.timeout(60):
        while streams < 2:
            streams += json.loads(await events.readline())["event"] == "stream_started"


# --- an API that has bad days -----------------------------------------------------------------------------------------


class Api:
    """Twilio's API, which answers what a test says and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, dict[str, str], str]] = []

    async def update(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        call_sid = request.match_info["call_sid"]
        self.asked.append((call_sid, form, request.headers.get("Authorization", "")))
        status, body = self.answers.get(call_sid, (200, {"sid": call_sid}))
        return (
            web.json_response(body, status=status) if body is not None else web.Response(status=status, text="<html>")
        )


@contextlib.asynccontextmanager
async def api_and_rescue(nats_url: str, directory: Path, **changes: Any) -> AsyncIterator[tuple[Api, Rescue, Bus]]:
    api = Api()
    app = web.Application()
    app.add_routes([web.post(f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{{call_sid}}.json", api.update)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    bus = Bus([nats_url], "edge-here")
    await bus.connect()
    await topology.ensure(bus)
    settings = settings_for(nats_url, directory, 8080, **({"twilio_api_base_url": url} | changes))
    running = Rescue(settings, Registry(bus, "edge-here", lambda _: False, lambda _: None))
    background = Background()
    background.start("rescue", running.run())
    try:
        yield api, running, bus
        assert background.failed() is None
    finally:
        await background.stop()
        await bus.close()
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue, "AFTER_S", 0.0)
    monkeypatch.setattr(rescue, "EVERY_S", 0.0)


async def leave(bus: Bus, **changes: Any) -> str:
    """Put a live call of a lost edge into the registry."""
    call_id = new_call_sid()
    entry = CallEntry(**({"edge_id": "edge-lost", "state": "live", "profile": "desk"} | changes))
    await bus.jetstream.publish(f"$KV.{subjects.CALLS_BUCKET}.{call_id}", entry.encode())
    return call_id


async def test_twilio_is_told_where_to_ask_with_the_account_s_credentials(nats_url: str, tmp_path: Path) -> None:
    async with api_and_rescue(nats_url, tmp_path) as (api, rescuing, bus):
        call_id = await leave(bus)
        rescuing.on_orphan("edge-lost", call_id)
        await until(lambda: api.asked)
        credentials = base64.b64encode(f"{ACCOUNT}:{AUTH_TOKEN}".encode()).decode()
        form = {"Url": "http://127.0.0.1:8080/twilio/resume", "Method": "POST"}
        assert api.asked == [(call_id, form, f"Basic {credentials}")]


async def test_or_with_an_api_key(nats_url: str, tmp_path: Path) -> None:
    key = {"twilio_api_key_sid": KEY_SID, "twilio_api_key_secret": SecretStr("the-secret-of-the-key")}
    async with api_and_rescue(nats_url, tmp_path, **key) as (api, rescuing, bus):
        rescuing.on_orphan("edge-lost", await leave(bus))
        await until(lambda: api.asked)
        credentials = base64.b64encode(f"{KEY_SID}:the-secret-of-the-key".encode()).decode()
        assert api.asked[0][2] == f"Basic {credentials}"


async def test_calls_that_came_back_or_ended_or_are_with_a_human_or_unknown_are_left_alone_and_one_is_asked_for_once(
    nats_url: str, tmp_path: Path
) -> None:
    async with api_and_rescue(nats_url, tmp_path) as (api, rescuing, bus):
        for call_id in (
            await leave(bus, edge_id="edge-other"),
            await leave(bus, state="ended"),
            await leave(bus, transfer_to="colleague", transfer_within_s=50),
            new_call_sid(),
            lost := await leave(bus),
            lost,
            last := await leave(bus),
        ):
            rescuing.on_orphan("edge-lost", call_id)
        await until(lambda: len(api.asked) == 2)
        assert [call_id for call_id, _, _ in api.asked] == [lost, last]


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, {}, "asked"),
        (404, {"code": 20404}, "over"),
        (409, {"code": 0}, "over"),
        (400, {"code": 21220}, "over"),
        (400, {"code": 21205}, "refused"),
        (401, {"code": 20003}, "refused"),
        (429, {"code": 20429}, "throttled"),
        (500, None, "refused"),
        (302, None, "refused"),
        (400, ["odd"], "refused"),
    ],
)
async def test_whatever_the_api_answers_is_counted_and_the_next_call_is_asked_for(
    nats_url: str, tmp_path: Path, status: int, body: Any, result: str
) -> None:
    async with api_and_rescue(nats_url, tmp_path) as (api, rescuing, bus):
        before = counted("rescues", result=result), counted("rescues", result="asked")
        call_id, following = await leave(bus), await leave(bus)
        api.answers[call_id] = status, body
        rescuing.on_orphan("edge-lost", call_id)
        rescuing.on_orphan("edge-lost", following)
        await until(lambda: counted("rescues", result="asked") == before[1] + (2 if result == "asked" else 1))
        assert counted("rescues", result=result) == before[0] + (2 if result == "asked" else 1)


async def test_an_api_that_cannot_be_reached_is_counted(nats_url: str, tmp_path: Path) -> None:
    unreachable = f"http://127.0.0.1:{free_port()}"
    before = counted("rescues", result="unreachable")
    async with api_and_rescue(nats_url, tmp_path, twilio_api_base_url=unreachable) as (_, rescuing, bus):
        rescuing.on_orphan(ids.new_id("edge"), await leave(bus))
        rescuing.on_orphan("edge-lost", await leave(bus))
        await until(lambda: counted("rescues", result="unreachable") == before + 1)
