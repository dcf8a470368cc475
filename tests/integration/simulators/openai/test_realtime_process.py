"""The real process over a real socket, with the SDK's own client and with a plain one."""

import asyncio
import base64
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from integration.simulators.openai.process import Simulator, running
from simulators.people.recordings import load

SCRIPT = """
account: {bad_keys: [sk-bad]}
defaults: {first_audio_ms: 50, speed: 20}
replies:
  - {when: greeting, voice: agent-greeting}
  - {when: {recording: caller-2}, say: "One moment.", tool_call: {name: get_task, arguments: {id: 7}}}
  - {when: {tool_result: get_task}, say: "It is done."}
  - {when: default, voice: agent-i-see}
"""
KEY = {"Authorization": "Bearer sk-test"}
PCMU = {"type": "audio/pcmu"}
PHONE: Any = {
    "type": "realtime",
    "audio": {
        "input": {"format": PCMU, "transcription": {"model": "gpt-transcribe"}},
        "output": {"format": PCMU, "voice": "marin"},
    },
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One process for all tests here: it takes more than a second to start."""
    script = tmp_path_factory.mktemp("openai") / "script.yaml"
    script.write_text(SCRIPT)
    with running(script) as started:
        yield started


@pytest.fixture
async def simulator(process: Simulator) -> AsyncIterator[Simulator]:
    """The process without faults and records of other tests."""
    yield process
    await process.sim("DELETE", "faults")
    await ended(process)
    await process.sim("DELETE", "sessions")


async def ended(simulator: Simulator) -> None:
    """Wait until every session has noted its end."""
    async with asyncio.timeout(20):
        while (await simulator.sim("GET", "healthz"))["running"]:
            await asyncio.sleep(0.02)


def plain(simulator: Simulator, **options: Any) -> connect:
    return connect(simulator.socket_url, additional_headers=KEY, compression=None, **options)


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next event of this type."""
    while True:
        event: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 5))
        if event["type"] == kind:
            return event


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """Read to the end; the close code and reason."""
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 5)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


async def heard_by_sdk(connection: AsyncRealtimeConnection, kind: str) -> list[Any]:
    """Events up to the first of this type."""
    events: list[Any] = []
    while not events or events[-1].type != kind:
        events.append(await asyncio.wait_for(connection.recv(), 5))
    return events


async def test_a_call_through_the_sdks_client(simulator: Simulator) -> None:
    client = AsyncOpenAI(api_key="sk-test", base_url=simulator.base_url)
    before = time.monotonic()
    async with client.realtime.connect(model="gpt-realtime-2.1") as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.session.update(session=PHONE)
        await connection.response.create()
        greeting = await heard_by_sdk(connection, "response.done")
        audio = b"".join(base64.b64decode(e.delta) for e in greeting if e.type == "response.output_audio.delta")
        assert audio == load("agent-greeting").pcmu

        caller = load("caller-2").pcmu + b"\xff" * 5600
        for start in range(0, len(caller), 160):
            await connection.input_audio_buffer.append(audio=base64.b64encode(caller[start : start + 160]).decode())
        turn = await heard_by_sdk(connection, "response.done")
        (call,) = [e for e in turn if e.type == "response.function_call_arguments.done"]
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": "{}"}
        )
        await connection.response.create()
        done = (await heard_by_sdk(connection, "response.done"))[-1]
        assert done.response.output[0].content[0].transcript == "It is done."
    await client.close()

    (record,) = await simulator.sessions()
    assert record["key"] == "sk-test"
    assert [item["text"] for item in record["items"] if item["role"] == "user"] == [load("caller-2").text]
    assert record["configuration"]["audio"]["output"]["voice"] == "marin"
    assert [response["status"] for response in record["responses"]] == ["completed"] * 3
    assert before < record["responses"][0]["first_audio_monotonic_s"] < time.monotonic()
    recognition = record["caller_audio"]["recognition"]
    assert recognition["text"] == load("caller-2").text
    assert (recognition["missing_frames"], recognition["duplicates"], recognition["in_order"]) == (0, 0, True)
    assert await simulator.sim("GET", f"sessions/{record['session_id']}/audio") == caller


async def test_who_may_not_connect(simulator: Simulator) -> None:
    for headers, status in (({}, 401), ({**KEY, "OpenAI-Beta": "realtime=v1"}, 500)):
        with pytest.raises(InvalidStatus) as refused:
            await connect(simulator.socket_url, additional_headers=headers)
        assert refused.value.response.status_code == status
    async with connect(simulator.socket_url, additional_headers={"Authorization": "Bearer sk-bad"}) as socket:
        assert (await until(socket, "error"))["error"]["code"] == "invalid_api_key"
        assert await closing(socket) == (3000, "invalid_request_error.invalid_api_key")
    async with connect(simulator.socket_url.split("?")[0], additional_headers=KEY) as socket:
        assert await closing(socket) == (4000, "invalid_request_error.missing_model")
    assert await simulator.sessions() == []


async def test_bad_messages_are_answered_and_survived(simulator: Simulator) -> None:
    async with plain(simulator) as socket:
        bad: list[tuple[str | bytes, str]] = [("no json", "invalid_json"), (b"0", "invalid_event")]
        for message, code in [*bad, ('{"type":"x"}', "invalid_value")]:
            await socket.send(message)
            assert (await until(socket, "error"))["error"]["code"] == code
        await socket.send(json.dumps({"type": "session.update", "session": PHONE}))
        await until(socket, "session.updated")
    await ended(simulator)
    (record,) = await simulator.sessions()
    assert len(record["refused"]) == 3
    assert (record["closed_by"], record["close_code"]) == ("client", 1000)


async def test_a_running_session_is_closed_with_a_code(simulator: Simulator) -> None:
    async with plain(simulator) as socket:
        await until(socket, "session.created")
        set_ = await simulator.sim("POST", "faults", {"kind": "close", "code": 1011, "reason": "boom"})
        assert len(set_["faults"][0]["met_running"]) == 1
        assert await closing(socket) == (1011, "boom")
    await simulator.sim("DELETE", "faults")
    async with plain(simulator) as socket:
        await until(socket, "session.created")
        await simulator.sim("POST", "faults", {"kind": "close", "code": 1006})
        assert await closing(socket) == (1006, "")
    await ended(simulator)
    records = await simulator.sessions()
    assert [(r["closed_by"], r["close_code"]) for r in records] == [("simulator", 1011), ("simulator", 1006)]


async def test_of_sessions_that_are_closed_while_they_are_spoken_to_every_end_is_recorded(simulator: Simulator) -> None:
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(plain(simulator)) for _ in range(20)]
        talking = [asyncio.create_task(_talk(socket)) for socket in sockets]
        await simulator.sim("POST", "faults", {"kind": "close", "code": 1001, "reason": "boom"})
        await asyncio.gather(*talking)
    await ended(simulator)
    records = await simulator.sessions()
    assert {(r["closed_by"], r["close_code"]) for r in records} == {("simulator", 1001)}


async def _talk(socket: ClientConnection) -> None:
    """Until it is closed."""
    audio = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(160)).decode()}
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.send(json.dumps(audio))
            await asyncio.sleep(0.001)


async def test_the_cap_ends_a_session_as_the_api_does(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"kind": "session_cap", "seconds": 0.3})
    async with plain(simulator) as socket:
        assert (await until(socket, "error"))["error"]["code"] == "session_expired"
        assert await closing(socket) == (1001, "Your session hit the maximum duration of 60 minutes.")


async def test_a_black_hole_answers_neither_events_nor_pings(simulator: Simulator) -> None:
    async with plain(simulator, close_timeout=0.1) as socket:
        await until(socket, "session.created")
        await asyncio.wait_for(await socket.ping(), 2)
        await simulator.sim("POST", "faults", {"kind": "black_hole"})
        waiter = await socket.ping()
        await socket.send('{"type":"response.create","response":{"output_modalities":["text"]}}')
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiter, 0.3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.1)


async def test_handshakes_can_be_slow_refused_or_never_answered(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"kind": "refuse_upgrade", "status": 503, "times": 1})
    with pytest.raises(InvalidStatus) as refused:
        await plain(simulator)
    assert refused.value.response.status_code == 503
    await simulator.sim("POST", "faults", {"kind": "connect_delay", "ms": 300, "times": 1})
    before = time.monotonic()
    async with plain(simulator):
        assert time.monotonic() - before >= 0.3
    await simulator.sim("POST", "faults", {"kind": "black_hole", "stage": "handshake"})
    with pytest.raises(TimeoutError):
        await plain(simulator, open_timeout=0.3)


async def test_garbage_reaches_the_client_as_it_is(simulator: Simulator) -> None:
    async with plain(simulator, max_size=None) as socket:
        await until(socket, "session.created")
        for what in ("invalid_json", "binary", "huge"):
            await simulator.sim("POST", "faults", {"kind": "garbage_event", "what": what, "times": 1})
        with pytest.raises(json.JSONDecodeError):
            json.loads(await socket.recv())
        assert isinstance(await socket.recv(), bytes)
        assert len(await socket.recv()) > 10_000_000


async def test_faults_are_listed_cleared_and_checked(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"faults": [{"kind": "no_response"}, {"kind": "rate_limit"}]})
    listed = await simulator.sim("GET", "faults")
    assert [entry["fault"]["kind"] for entry in listed] == ["no_response", "rate_limit"]
    assert await simulator.sim("DELETE", "faults") == {"cleared": 2}
    errors = await simulator.sim("POST", "faults", {"kind": "explode"}, status=422)
    assert errors["errors"]


async def test_many_sessions_live_in_one_process(simulator: Simulator) -> None:
    append = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(b"\xff" * 160).decode()})

    async def one() -> None:
        async with plain(simulator) as socket:
            await socket.send(json.dumps({"type": "session.update", "session": PHONE}))
            await until(socket, "session.updated")
            for _ in range(20):
                await socket.send(append)
            await socket.send('{"type":"response.create"}')
            await until(socket, "response.done")

    await asyncio.gather(*(one() for _ in range(50)))
    assert (await simulator.sim("GET", "healthz"))["sessions"] == 50
    records = await simulator.sim("GET", "sessions?recognise=0")
    assert {record["caller_audio"]["bytes"] for record in records} == {3200}
    assert await simulator.sim("DELETE", "sessions") == {"forgotten": 50}


async def test_a_wrong_script_ends_the_process_with_code_2_and_one_line(tmp_path: Path) -> None:
    script = tmp_path / "wrong.yaml"
    script.write_text("replies: [{when: default, voice: nobody}]")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *("-m", "simulators.openai", "--script", str(script)), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"wrong.yaml: replies[0].voice" in errors
    assert errors.count(b"\n") == 1


async def test_it_ends_at_sigterm_with_sessions_open(tmp_path: Path) -> None:
    with running() as simulator:
        socket = await plain(simulator)
        await until(socket, "session.created")
    with pytest.raises((ConnectionClosedError, ConnectionClosed)):
        await asyncio.wait_for(socket.recv(), 2)


async def test_plain_http_gets_an_answer_too(simulator: Simulator) -> None:
    url = f"{simulator.base_url}/realtime?model=m"
    async with aiohttp.ClientSession() as http, http.get(url, headers=KEY) as answer:
        assert answer.status == 426
