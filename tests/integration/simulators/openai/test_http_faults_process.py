"""Every fault of the HTTP endpoints, as a client of the real process meets it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from integration.simulators.openai.pipeline import KEY, SCRIPT, client, read_wav, wav
from integration.simulators.openai.process import Simulator, running
from simulators.people.pcmu import SAMPLES
from simulators.people.recordings import load

ENDPOINTS = ("chat", "transcription", "speech")
TURN = wav([SAMPLES[byte] for byte in load("caller-3").pcmu], 8000)
CUT = (openai.APIConnectionError, httpx2.RemoteProtocolError, httpx2.ReadError)
"""What the SDK says of a connection that was cut before the headers, or after them."""
HEADERS = {"Authorization": f"Bearer {KEY}"}


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
    await process.requests()
    await process.sim("DELETE", "requests")


async def ask(sdk: openai.AsyncOpenAI, endpoint: str) -> Any:
    """One request, its answer read to the end: text, or audio."""
    match endpoint:
        case "chat":
            messages: Any = [{"role": "user", "content": load("caller-3").text}]
            stream = await sdk.chat.completions.create(model="gpt-4.1-mini", messages=messages, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        case "transcription":
            return (await sdk.audio.transcriptions.create(model="whisper-1", file=("turn.wav", TURN))).text
        case _:
            answer = await sdk.audio.speech.create(
                model="gpt-4o-mini-tts", voice="marin", input="Hello you.", response_format="wav"
            )
            return answer.content


async def raw(simulator: Simulator, endpoint: str, **chat: Any) -> tuple[str, bytes]:
    """Type and body of the answer, whatever it is."""
    form = aiohttp.FormData({"model": "whisper-1"})
    form.add_field("file", TURN, filename="turn.wav")
    speech = {"model": "gpt-4o-mini-tts", "voice": "marin", "input": "Hello you.", "response_format": "wav"}
    messages = [{"role": "user", "content": load("caller-3").text}]
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "chat": ("chat/completions", {"json": {"model": "gpt-4.1-mini", "messages": messages, **chat}}),
        "transcription": ("audio/transcriptions", {"data": form}),
        "speech": ("audio/speech", {"json": speech}),
    }
    path, body = bodies[endpoint]
    url = f"{simulator.base_url}/{path}"
    async with aiohttp.ClientSession(headers=HEADERS) as http, http.post(url, **body) as answer:
        assert answer.status == 200
        return answer.content_type, await answer.read()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_error_is_the_sdks_error_with_its_code(simulator: Simulator, endpoint: str) -> None:
    fault = {"kind": "http_status", "status": 503, "code": "overloaded", "target": {"endpoint": endpoint}}
    await simulator.sim("POST", "faults", fault)
    async with client(simulator) as sdk:
        with pytest.raises(openai.InternalServerError) as failed:
            await ask(sdk, endpoint)
        assert (failed.value.status_code, failed.value.code) == (503, "overloaded")
        for other in set(ENDPOINTS) - {endpoint}:
            assert await ask(sdk, other)
        await simulator.sim("DELETE", "faults")
        assert await ask(sdk, endpoint)
    (record, after) = await simulator.requests(endpoint)
    assert (record["status"], record["error_code"], record["faults"]) == (503, "overloaded", ["http_status"])
    assert (after["status"], after["faults"]) == (200, [])


async def test_a_rate_limit_says_when_to_come_back(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_status", "status": 429, "retry_after_s": 3})
    async with client(simulator) as sdk:
        with pytest.raises(openai.RateLimitError) as limited:
            await ask(sdk, "chat")
    assert limited.value.response.headers["retry-after"] == "3"
    assert limited.value.code == "rate_limit_exceeded"


async def test_a_page_of_a_proxy_is_no_json(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_status", "status": 502, "is_html": True})
    async with client(simulator) as sdk:
        with pytest.raises(openai.InternalServerError) as failed:
            await ask(sdk, "transcription")
    assert failed.value.body is None or isinstance(failed.value.body, str)
    assert failed.value.response.headers["content-type"].startswith("text/html")


async def test_a_client_that_tries_again_gets_through(simulator: Simulator) -> None:
    fault = {"kind": "http_status", "status": 500, "times": 2, "retry_after_s": 0.01}
    await simulator.sim("POST", "faults", fault)
    async with client(simulator, retries=2) as sdk:
        assert await ask(sdk, "chat") == load("agent-opening-hours").text
    assert [record["status"] for record in await simulator.requests()] == [500, 500, 200]
    (listed,) = await simulator.sim("GET", "faults")
    assert (listed["met"], listed["remaining"]) == (2, 0)


async def test_a_fault_is_for_one_key_one_model_or_one_number(simulator: Simulator) -> None:
    async with client(simulator) as sdk, client(simulator, "sk-other") as other:
        await ask(sdk, "speech")
        (record,) = await simulator.requests("speech")
        targets: list[dict[str, Any]] = [
            {"key": "sk-other"},
            {"model": "our-own-model"},
            {"endpoint": "speech", "numbers": [record["number"] + 1]},
        ]
        await simulator.sim("POST", "faults", {"faults": [{"kind": "http_status", "target": one} for one in targets]})
        assert await ask(sdk, "chat")
        with pytest.raises(openai.InternalServerError):
            await ask(other, "chat")
        with pytest.raises(openai.InternalServerError):
            await ask(sdk, "speech")
        assert await ask(sdk, "speech")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_first_byte_comes_late(simulator: Simulator, endpoint: str) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_slow", "ms": 400})
    async with client(simulator) as sdk:
        before = time.monotonic()
        assert await ask(sdk, endpoint)
        assert time.monotonic() - before >= 0.4
    (record,) = await simulator.requests()
    assert record["first_byte_monotonic_s"] - record["started_monotonic_s"] >= 0.4


async def test_answers_can_be_later_each_time(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_slow", "ms": 0, "growth_ms": 300})
    async with client(simulator) as sdk:
        for _ in range(3):
            await ask(sdk, "chat")
    waits = [r["first_byte_monotonic_s"] - r["started_monotonic_s"] for r in await simulator.requests()]
    assert waits[1] >= 0.3
    assert waits[2] >= 0.6


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_black_hole_never_answers(simulator: Simulator, endpoint: str) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_black_hole"})
    async with client(simulator) as sdk:
        with pytest.raises(openai.APITimeoutError):
            await ask(sdk.with_options(timeout=0.3), endpoint)
    (record,) = await simulator.requests()
    assert (record["status"], record["ended"], record["sent_bytes"]) == (None, "client_gone", 0)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("where", [{}, {"after_chunks": 0}, {"after_chunks": 3}, {"after_bytes": 100}])
async def test_the_connection_is_cut_in_the_middle(simulator: Simulator, endpoint: str, where: dict[str, int]) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_cut", **where})
    async with client(simulator) as sdk:
        with pytest.raises(CUT):
            await ask(sdk, endpoint)
    (record,) = await simulator.requests()
    assert record["ended"] == "cut"
    if "after_bytes" in where:
        assert record["sent_bytes"] == 100
    assert await simulator.sim("GET", "healthz")


async def test_what_came_before_the_cut_is_read(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_cut", "after_chunks": 6})
    read: list[str] = []
    messages: Any = [{"role": "user", "content": load("caller-3").text}]

    async def read_all(stream: openai.AsyncStream[ChatCompletionChunk]) -> None:
        async for chunk in stream:
            read.append(chunk.choices[0].delta.content or "")

    async with client(simulator) as sdk:
        with pytest.raises(CUT):
            await read_all(await sdk.chat.completions.create(model="gpt-4.1-mini", messages=messages, stream=True))
    assert read
    assert load("agent-opening-hours").text.startswith("".join(read))
    assert len(read) <= 6


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_page_with_status_200_is_no_answer(simulator: Simulator, endpoint: str) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_garbage", "what": "html"})
    kind, body = await raw(simulator, endpoint)
    assert kind == "text/html"
    assert body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_body_can_be_empty(simulator: Simulator, endpoint: str) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_garbage", "what": "empty"})
    _, body = await raw(simulator, endpoint)
    assert body == b""


@pytest.mark.parametrize(("endpoint", "stream"), [("chat", True), ("chat", False), ("transcription", False)])
async def test_json_can_be_broken(simulator: Simulator, endpoint: str, stream: bool) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_garbage", "what": "invalid_json"})
    async with client(simulator) as sdk:
        if endpoint == "chat" and stream:
            with pytest.raises(ValueError, match=r"."):
                await ask(sdk, "chat")
            return
    _, body = await raw(simulator, endpoint)
    assert body.startswith(b"{")
    assert not body.endswith(b"}")


async def test_an_error_is_told_in_the_middle_of_a_stream(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_garbage", "what": "error_event"})
    async with client(simulator) as sdk:
        with pytest.raises(openai.APIError):
            await ask(sdk, "chat")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_answer_need_not_end(simulator: Simulator, endpoint: str) -> None:
    await simulator.sim("POST", "faults", {"kind": "http_garbage", "what": "endless"})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(raw(simulator, endpoint, stream=True), 1.0)
    (record,) = await simulator.requests()
    assert record["ended"] == "client_gone"
    assert record["sent_bytes"] > 1000


async def test_speech_can_be_empty_no_audio_or_at_the_wrong_rate(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        right_hz, right = read_wav(await ask(sdk, "speech"))
        for what in ("empty_audio", "not_audio", "wrong_rate"):
            await simulator.sim("POST", "faults", {"kind": "http_garbage", "what": what, "times": 1})
        assert len(read_wav(await ask(sdk, "speech"))[1]) == 0
        assert not (await ask(sdk, "speech")).startswith(b"RIFF")
        wrong_hz, wrong = read_wav(await ask(sdk, "speech"))
        assert (right_hz, wrong_hz) == (24_000, 16_000)
        assert list(wrong[::2]) == list(right[::3])
        assert read_wav(await ask(sdk, "speech"))[0] == 24_000


async def new_session_status(simulator: Simulator) -> int:
    """101, or what the upgrade was answered with."""
    try:
        async with connect(simulator.socket_url, additional_headers=HEADERS):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_a_total_outage_takes_everything_and_ends(simulator: Simulator) -> None:
    async with client(simulator) as sdk, connect(simulator.socket_url, additional_headers=HEADERS) as socket:
        await socket.recv()
        set_ = await simulator.sim("POST", "faults", {"outage": "total"})
        assert len(set_["faults"]) == 3
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        assert await new_session_status(simulator) == 503
        for endpoint in ENDPOINTS:
            with pytest.raises(openai.InternalServerError):
                await ask(sdk, endpoint)
        await simulator.sim("DELETE", "faults")
        assert await new_session_status(simulator) == 101
        for endpoint in ENDPOINTS:
            assert await ask(sdk, endpoint)


async def test_a_partial_outage_takes_speech_sessions_only(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"outage": "realtime"})
    assert await new_session_status(simulator) == 503
    async with client(simulator) as sdk:
        for endpoint in ENDPOINTS:
            assert await ask(sdk, endpoint)


async def test_a_rate_limit_storm_throttles_requests_and_lets_sessions_open(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"outage": "rate_limit", "retry_after_s": 9})
    assert await new_session_status(simulator) == 101
    async with client(simulator) as sdk:
        for endpoint in ENDPOINTS:
            with pytest.raises(openai.RateLimitError) as limited:
                await ask(sdk, endpoint)
            assert limited.value.response.headers["retry-after"] == "9"


async def test_an_outage_can_take_a_part_of_the_requests(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"outage": "http", "share": 0.5})
    async with client(simulator) as sdk:
        for _ in range(2):
            await ask(sdk, "speech")
            with pytest.raises(openai.InternalServerError):
                await ask(sdk, "speech")


async def test_a_wrong_outage_is_refused(simulator: Simulator) -> None:
    errors = await simulator.sim("POST", "faults", {"outage": "partial"}, status=422)
    assert errors["errors"]
    assert await simulator.sim("GET", "faults") == []


async def test_it_ends_at_sigterm_with_a_request_in_a_black_hole_and_one_without_end(tmp_path: Any) -> None:
    with running() as simulator:
        await simulator.sim("POST", "faults", {"kind": "http_black_hole", "target": {"endpoint": "chat"}})
        await simulator.sim("POST", "faults", {"kind": "http_garbage", "what": "endless"})
        waiting = [asyncio.create_task(raw(simulator, endpoint)) for endpoint in ("chat", "speech")]
        async with asyncio.timeout(5):
            while len(await simulator.sim("GET", "requests")) < 2:
                await asyncio.sleep(0.02)
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, aiohttp.ClientError)
