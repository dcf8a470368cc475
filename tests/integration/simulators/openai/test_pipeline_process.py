"""Chat, transcription and speech of the real process, asked with the SDK's own client."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageFunctionToolCall

from integration.simulators.openai.pipeline import KEY, SCRIPT, client, read_wav, wav
from integration.simulators.openai.process import Simulator, running
from simulators.people.pcmu import SAMPLES
from simulators.people.recordings import load, load_all
from simulators.people.resampling import from_phone_rate
from simulators.people.watermark import runs
from unit.simulators.openai.rig import undeclared

CALLERS = [recording.name for recording in load_all() if "caller" in recording.name]
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_task", "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}}},
}
FIELD = b'--x\r\nContent-Disposition: form-data; name="model"\r\nContent-Type: text/plain; '
UPLOAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
MODEL = "gpt-4.1-mini"
Message = dict[str, Any]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One process for all tests here: it takes more than a second to start."""
    script = tmp_path_factory.mktemp("openai") / "script.yaml"
    script.write_text(SCRIPT)
    with running(script) as started:
        yield started


@pytest.fixture
async def simulator(process: Simulator) -> AsyncIterator[Simulator]:
    """The process without records of other tests."""
    yield process
    await process.requests()
    await process.sim("DELETE", "requests")


def user(name: str) -> Any:
    return {"role": "user", "content": load(name).text}


def samples(name: str) -> list[int]:
    return [SAMPLES[byte] for byte in load(name).pcmu]


async def streamed(sdk: openai.AsyncOpenAI, messages: list[Any], **fields: Any) -> list[ChatCompletionChunk]:
    stream = await sdk.chat.completions.create(model=MODEL, messages=messages, stream=True, **fields)
    chunks = [chunk async for chunk in stream]
    assert not [name for chunk in chunks for name in undeclared(chunk)]
    return chunks


async def test_an_answer_is_streamed_word_by_word(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        messages = [{"role": "system", "content": "Be brief."}, user("caller-3")]
        chunks = await streamed(sdk, messages, stream_options={"include_usage": True})
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == load("agent-opening-hours").text
    assert len(deltas) > 40
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 50
    (record,) = await simulator.requests("chat")
    assert (record["status"], record["ended"], record["model"], record["key_suffix"]) == (
        200,
        "completed",
        MODEL,
        KEY[-6:],
    )
    assert record["asked"]["messages"] == messages
    assert record["answered"]["text"] == load("agent-opening-hours").text


async def test_an_answer_comes_whole(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        completion = await sdk.chat.completions.create(model="our-own-model", messages=[user("caller-5")])
    assert not list(undeclared(completion))
    assert completion.choices[0].message.content == load("agent-i-see").text
    assert completion.choices[0].finish_reason == "stop"


async def test_a_tool_is_called_in_pieces_and_its_result_is_answered(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        messages: list[Any] = [user("caller-2")]
        async with sdk.chat.completions.stream(model=MODEL, messages=messages, tools=[TOOL]) as stream:
            completion = await stream.get_final_completion()
        message = completion.choices[0].message
        assert message.content == "One moment."
        assert completion.choices[0].finish_reason == "tool_calls"
        assert message.tool_calls
        (call,) = message.tool_calls
        assert isinstance(call, ChatCompletionMessageFunctionToolCall)
        assert json.loads(call.function.arguments) == {"id": 7, "title": "Ring Ann"}
        function = {"name": call.function.name, "arguments": call.function.arguments}
        calls = [{"id": call.id, "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": message.content, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call.id, "content": '{"done": true}'}]
        chunks = await streamed(sdk, messages, tools=[TOOL])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Task seven is done."
    first, second = await simulator.requests("chat")
    assert first["answered"]["tool_calls"][0]["function"]["name"] == "get_task"
    assert first["asked"]["tools"] == [TOOL]
    assert second["asked"]["messages"][-1]["role"] == "tool"


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
async def test_what_every_caller_says_is_transcribed_at_any_rate(simulator: Simulator, rate_hz: int) -> None:
    async with client(simulator) as sdk:
        for name in CALLERS:
            file = ("turn.wav", wav(from_phone_rate(samples(name), rate_hz), rate_hz))
            heard = await sdk.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=file, language="en")
            assert not list(undeclared(heard))
            assert heard.text == load(name).text
    records = await simulator.requests("transcription")
    assert [record["answered"]["text"] for record in records] == [load(name).text for name in CALLERS]
    assert {record["asked"]["file"]["rate_hz"] for record in records} == {rate_hz}
    assert [record["number"] for record in records] == sorted(record["number"] for record in records)


async def test_a_mu_law_wav_is_heard_too_and_silence_is_nothing(simulator: Simulator) -> None:
    mu_law = (files("simulators.people") / "voices" / "caller-2.wav").read_bytes()
    async with client(simulator) as sdk:
        text = await sdk.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("a.wav", mu_law), response_format="text"
        )
        silence = await sdk.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav([0] * 8000, 8000)))
    assert text.strip() == load("caller-2").text
    assert silence.text == ""


async def test_times_are_told_by_the_model_that_can(simulator: Simulator) -> None:
    file = ("turn.wav", wav([0] * 4000 + samples("caller-2"), 8000))
    async with client(simulator) as sdk:
        heard = await sdk.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"]
        )
    assert set(undeclared(heard)) <= {"task"}  # the API says it, the SDK's model does not
    assert (heard.text, heard.language) == (load("caller-2").text, "english")
    assert heard.segments
    assert heard.words
    assert 0.5 <= heard.segments[0].start <= 0.6
    assert [word.word for word in heard.words] == heard.text.split()


async def test_a_transcription_is_streamed(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        stream = await sdk.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("turn.wav", wav(samples("caller-2"), 8000)), stream=True
        )
        events = [event async for event in stream]
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == load("caller-2").text
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == load("caller-2").text


@pytest.mark.parametrize("response_format", ["pcm", "wav"])
async def test_speech_comes_in_pieces_and_says_the_text(simulator: Simulator, response_format: Any) -> None:
    text = load("agent-greeting").text
    async with (
        client(simulator) as sdk,
        sdk.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="marin", input=text, response_format=response_format
        ) as answer,
    ):
        assert answer.headers["content-type"] == f"audio/{response_format}"
        data = b"".join([piece async for piece in answer.iter_bytes()])
        if response_format == "pcm":
            data = wav(memoryview(data).cast("h").tolist(), 24_000)
        rate_hz, heard = read_wav(data)
        assert rate_hz == 24_000
        assert list(heard[::3]) == samples("agent-greeting")
        back = await sdk.audio.transcriptions.create(model="whisper-1", file=("a.wav", data))
    assert back.text == text
    (record,) = await simulator.requests("speech")
    assert record["asked"]["input"] == text
    assert record["answered"]["recordings"] == ["agent-greeting"]
    assert record["sent_bytes"] >= len(heard) * 2


async def test_speech_comes_as_events(simulator: Simulator) -> None:
    asked = {"model": "gpt-4o-mini-tts", "voice": "marin", "input": "Hm.", "response_format": "pcm"}
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as http,
        http.post(f"{simulator.base_url}/audio/speech", json={**asked, "stream_format": "sse"}) as answer,
    ):
        lines = [line for line in (await answer.text()).split("\n\n") if line]
    kinds = [json.loads(line.removeprefix("data: "))["type"] for line in lines]
    assert kinds == ["speech.audio.delta"] * (len(kinds) - 1) + ["speech.audio.done"]
    assert len(kinds) > 2


async def test_a_bad_key_and_no_key_are_401(simulator: Simulator) -> None:
    async with client(simulator, "sk-bad") as sdk:
        with pytest.raises(openai.AuthenticationError) as refused:
            await sdk.chat.completions.create(model=MODEL, messages=[user("caller-2")])
        assert refused.value.code == "invalid_api_key"
    async with aiohttp.ClientSession() as http, http.post(f"{simulator.base_url}/audio/speech", json={}) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_a_model_that_is_not_there_or_not_for_this_is_404(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        for model in ("gpt-4.1-nano", "gpt-nonsense", "gpt-realtime", "whisper-1"):
            with pytest.raises(openai.NotFoundError):
                await sdk.chat.completions.create(model=model, messages=[user("caller-2")])
        with pytest.raises(openai.NotFoundError):
            await sdk.audio.speech.create(model="gpt-4.1", voice="marin", input="x", response_format="pcm")
        with pytest.raises(openai.NotFoundError):
            await sdk.audio.transcriptions.create(model="tts-1", file=("a.wav", wav([0] * 8000, 8000)))
    assert {record["status"] for record in await simulator.requests()} == {404}


async def test_what_is_wrong_is_400_with_code_and_parameter(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.chat.completions.create(model=MODEL, messages=[user("caller-2")], extra_body={"colour": "red"})
        assert (refused.value.code, refused.value.param) == ("unknown_parameter", "colour")
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"<html>"))
        assert refused.value.param == "file"
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.audio.transcriptions.create(
                model="whisper-1", file=("a.wav", wav([0] * 8000, 8000)), extra_body={"colour": "red"}
            )
        assert refused.value.code == "unknown_parameter"
        with pytest.raises(openai.BadRequestError, match="mp3"):
            await sdk.audio.speech.create(model="gpt-4o-mini-tts", voice="marin", input="x")
    records = await simulator.requests()
    assert [record["error_code"] for record in records] == [
        "unknown_parameter",
        "invalid_value",
        "unknown_parameter",
        "not_simulated",
    ]


@pytest.mark.parametrize(
    ("path", "kind", "body", "status"),
    [
        ("chat/completions", "application/json", b"no json", 400),
        ("chat/completions", "application/json", b"[1]", 400),
        ("chat/completions", "application/json", b"\xff\xfe", 400),
        ("chat/completions", "application/json", b"[" * 200_000, 400),
        ("chat/completions", "application/json", b'{"model": "gpt-4.1", "messages": "\\ud800"}', 400),
        ("chat/completions", "text/plain", b"{}", 400),
        ("chat/completions", "application/json", b'{"model": 5, "messages": []}', 400),
        ("chat/completions", "application/json", b'{"messages": []}', 400),
        ("audio/transcriptions", "application/json", b"{}", 400),
        ("audio/transcriptions", "multipart/form-data", b"no boundary", 400),
        ("audio/transcriptions", "multipart/form-data; boundary=x", b"--x\r\nnonsense", 400),
        ("audio/transcriptions", "multipart/form-data; boundary=x", b"--x--\r\n", 400),
        ("audio/transcriptions", "multipart/form-data; boundary=x", FIELD + b"charset=klingon\r\n\r\n1\r\n--x--", 400),
        ("audio/transcriptions", "multipart/form-data; boundary=x", FIELD + b"\r\n\r\n\xff\r\n--x--", 400),
        ("audio/transcriptions", "multipart/form-data; boundary=x", UPLOAD + bytes(26 * 1024 * 1024), 413),
    ],
)
async def test_what_is_no_request_at_all_is_answered_and_survived(
    simulator: Simulator, path: str, kind: str, body: bytes, status: int
) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": kind}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{simulator.base_url}/{path}", data=io.BytesIO(body)) as answer,
    ):
        assert answer.status == status
        assert set((await answer.json())["error"]) == {"message", "type", "param", "code"}


async def test_the_record_is_forgotten_on_demand(simulator: Simulator) -> None:
    async with client(simulator) as sdk:
        await sdk.chat.completions.create(model=MODEL, messages=[user("caller-5")])
    (before,) = await simulator.requests()
    assert await simulator.sim("DELETE", "requests") == {"forgotten": 1}
    async with client(simulator) as sdk:
        await sdk.chat.completions.create(model=MODEL, messages=[user("caller-5")])
    (after,) = await simulator.requests()
    assert after["number"] == before["number"] + 1


async def test_many_pipelines_are_served_at_once(simulator: Simulator) -> None:
    async with client(simulator) as sdk:

        async def one() -> str:
            file = ("turn.wav", wav(samples("caller-3"), 8000))
            heard = await sdk.audio.transcriptions.create(model="whisper-1", file=file)
            chunks = await streamed(sdk, [{"role": "user", "content": heard.text}])
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            speech = await sdk.audio.speech.create(
                model="gpt-4o-mini-tts", voice="marin", input=text.split(". ")[0] + ".", response_format="pcm"
            )
            return f"{text}{len(speech.content) > 24_000}"

        said = await asyncio.gather(*(one() for _ in range(10)))
    assert set(said) == {f"{load('agent-opening-hours').text}True"}


async def test_watermarked_speech_carries_the_requests_mark(tmp_path: Any) -> None:
    with running(None, "--watermark") as simulator:
        async with client(simulator) as sdk:
            text = load("agent-i-see").text
            speech = await sdk.audio.speech.create(
                model="gpt-4o-mini-tts", voice="marin", input=text, response_format="wav"
            )
            back = await sdk.audio.transcriptions.create(model="whisper-1", file=("a.wav", speech.content))
        (record,) = await simulator.requests("speech")
    _, heard = read_wav(speech.content)
    by_sample = {sample: byte for byte, sample in enumerate(SAMPLES)}
    found = runs(bytes(by_sample[sample] for sample in heard[::3]))
    assert {run.number for run in found} == {record["answered"]["mark"]}
    assert sum(run.cells for run in found) >= 0.9 * len(heard) // 3 // 80
    assert back.text == text
