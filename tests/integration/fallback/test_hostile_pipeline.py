"""Endpoints that answer what no API does: a counted failure and the next endpoint, never a crash, never silence."""

import asyncio
import io
import json
import logging
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from common.errors import RemoteProtocolError, TrunklineError, UpstreamThrottled, UpstreamUnavailable
from common.pcmu import SILENCE, duration_ms
from fallback.core.vocabulary import Stage, StagesChanged
from fallback.pipeline.pcmu_codec import to_samples
from integration.fallback.hostile import (
    Answer,
    Hostile,
    elsewhere,
    endless,
    gone,
    hostile,
    stream,
    whole,
)
from integration.fallback.pipeline import asking, attempts, endpoint

HTML = "<!DOCTYPE html><html><body>Bad Gateway</body></html>"
RATE = 24_000


def sse(*documents: Any) -> list[bytes]:
    """Server-sent events."""
    return [f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n".encode() for each in documents]


def chunk(text: str | None = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A piece of a chat completion."""
    said = {"content": text} if text is not None else {}
    choice = {"index": 0, "delta": {**said, **delta}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def chat(*texts: str) -> Answer:
    """An answer as it should be."""
    return stream(*sse(*map(chunk, texts), chunk(finish="stop"), "[DONE]"))


def tone(ms: int, rate: int = RATE) -> bytes:
    """A sine of 400 Hz, 16-bit."""
    return (np.sin(np.arange(ms * rate // 1_000) * 2 * np.pi * 400 / rate) * 8_000).astype("<i2").tobytes()


def wav(samples: bytes, rate: int, channels: int = 1) -> bytes:
    """A WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()


def good(stage: Stage) -> Answer:
    """An answer as it should be."""
    match stage:
        case Stage.TRANSCRIPTION:
            return whole('{"text": "Hello there"}')
        case Stage.CHAT:
            return chat("Hello", " there.")
        case Stage.SPEECH:
            return whole(tone(500), "audio/pcm")


def peak_hz(pcmu: bytes) -> float:
    """The loudest tone in it."""
    samples = to_samples(pcmu).astype(np.float64)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 8_000 / len(samples))


WRONG: dict[str, tuple[Answer, set[str]]] = {
    "html": (whole(HTML, "text/html"), {"garbage"}),
    "html, said to be json": (whole(HTML), {"garbage"}),
    "a gateway's html": (whole(HTML, "text/html", 502), {"unavailable"}),
    "not found": (whole(HTML, "text/html", 404), {"rejected"}),
    "nothing": (whole(b""), {"garbage"}),
    "no content": (whole(b"", status=204), {"garbage"}),
    "half a document": (whole('{"text": "Hel'), {"garbage"}),
    "a list": (whole("[1, 2]"), {"garbage"}),
    "null": (whole("null"), {"garbage"}),
    "a number for text": (whole('{"text": 7}'), {"garbage"}),
    "a pit of brackets": (whole("[" * 200_000), {"garbage"}),
    "no utf-8": (whole(b'{"text": "\xff\xfe"}'), {"garbage"}),
    "a broken connection": (gone, {"unavailable"}),
    "a body that breaks off": (
        stream(b'{"te', content_type="application/json", is_cut=True),
        {"unavailable"},
    ),
    "round and round": (elsewhere, {"unavailable"}),
    "a bad key": (whole('{"error": {"message": "no"}}', status=401), {"rejected"}),
    "no credit": (whole('{"error": {"code": "insufficient_quota"}}', status=429), {"rejected"}),
    "throttling": (whole('{"error": {"code": "rate_limit_exceeded"}}', status=429), {"throttled"}),
    "overload": (whole('{"error": {"message": "busy"}}', status=503), {"unavailable"}),
    "a body without an end": (endless(b"x" * 65_536, "application/json"), {"garbage", "unavailable", "deadline"}),
    "an error without an end": (endless(b"x" * 65_536, "text/html", 500), {"unavailable", "deadline"}),
}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("wrong", WRONG)
async def test_whatever_an_endpoint_answers_it_is_counted_and_the_next_one_is_asked(stage: Stage, wrong: str) -> None:
    answer, results = WRONG[wrong]
    name = "w" + "".join(character for character in wrong if character.isalpha())[:20] + f"-{stage.value}"[:8]
    async with hostile() as bad, hostile() as other:
        bad.then(answer)
        other.then(good(stage))
        first = endpoint(stage, bad.base_url, name.lower(), timeout_s=5.0)
        second = endpoint(stage, other.base_url, f"{name}-b"[:31].lower(), timeout_s=10.0)
        async with asking((stage, first), (stage, second)) as process:
            pieces = await process.run(stage, first, second)
            assert pieces
            if stage is Stage.CHAT:
                assert process.text == "Hello there."
            (counted,) = attempts(stage, first.name)
            assert counted in (results if stage is not Stage.SPEECH else {*results, "garbage"}), "json is no voice"
            assert attempts(stage, second.name) == {"ok": 1}
            if counted == "deadline":  # on a busy machine; slowness is believed the second time only
                await process.run(stage, first, second)
            asked = len(bad.asked)
            await process.run(stage, first, second)
            assert len(bad.asked) == asked, "it is not asked again before a probe"


@pytest.mark.parametrize("stage", Stage)
async def test_without_another_endpoint_the_failure_is_told_and_the_pipeline_is_down(stage: Stage) -> None:
    async with hostile() as bad:
        bad.then(whole(HTML, "text/html"))
        only = endpoint(stage, bad.base_url, f"only-{stage}")
        async with asking(*((each, endpoint(each, bad.base_url, f"only-{each}")) for each in Stage)) as process:
            with pytest.raises(RemoteProtocolError):
                await process.run(stage, only)
            assert process.told == [StagesChanged(are_up=False)]


@pytest.mark.parametrize("stage", Stage)
async def test_a_rate_limit_is_no_outage_and_is_waited_for(stage: Stage) -> None:
    async with hostile() as server:
        server.then(whole('{"error": {"code": "rate_limit_exceeded"}}', status=429, **{"retry-after": "7"}))
        there = [(each, endpoint(each, server.base_url, f"limited-{each}")) for each in Stage]
        async with asking(*there) as process:
            with pytest.raises(UpstreamThrottled):
                await process.run(stage, dict(there)[stage])
            assert process.told == [StagesChanged(are_up=False, is_throttled=True)]
            assert len(server.asked) == 1, "asking again at once would make it worse"
            now = asyncio.get_running_loop().time()
            assert process.stages.health.take_probes(now + 6.5) == ()
            assert process.stages.health.take_probes(now + 7.5) == ((stage, f"limited-{stage}"),)


@pytest.mark.parametrize("retry_after", ["soon", "", "-5", "nan", "inf", "1e999", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_a_wait_that_makes_no_sense_is_replaced(retry_after: str) -> None:
    async with hostile() as server:
        server.then(whole("{}", status=429, **{"retry-after": retry_after}))
        there = endpoint(Stage.CHAT, server.base_url, "limited-oddly")
        async with asking((Stage.CHAT, there)) as process:
            with pytest.raises(UpstreamThrottled):
                await process.run(Stage.CHAT, there)
            now = asyncio.get_running_loop().time()
            assert process.stages.health.take_probes(now + 31.0) == ((Stage.CHAT, there.name),)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("wrong", [gone, whole(HTML, "text/html", 502)])
async def test_the_only_endpoint_may_fail_once_without_being_given_up(stage: Stage, wrong: Answer) -> None:
    async with hostile() as server:
        server.then(wrong, good(stage))
        only = endpoint(stage, server.base_url, f"once-{stage}")
        async with asking(*((each, endpoint(each, server.base_url, f"once-{each}")) for each in Stage)) as process:
            before = attempts(stage, only.name).get("ok", 0)
            assert await process.run(stage, only)
            assert process.told == [], "other calls need not know"
            assert attempts(stage, only.name)["ok"] == before + 1


async def test_an_outage_is_not_made_worse_by_asking_everything_twice() -> None:
    async with hostile() as server:
        server.then(whole(HTML, "text/html", 503))
        only = endpoint(Stage.CHAT, server.base_url, "outage")
        async with asking((Stage.CHAT, only)) as process:
            for _ in range(30):
                process.stages.health.worked(Stage.CHAT, only.name)  # as a probe in between would
                with pytest.raises(UpstreamUnavailable):
                    await process.run(Stage.CHAT, only)
            assert len(server.asked) <= 30 + 3 + 3


async def test_nothing_an_endpoint_wrote_gets_into_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-secret-caller-words"
    answers = [whole(secret), whole(f'{{"error": {{"message": "{secret}"}}}}', status=400), whole(secret, status=500)]
    with caplog.at_level(logging.DEBUG, logger="trunkline"):
        async with hostile() as server:
            for stage in Stage:
                for answer in answers:
                    server.then(answer)
                    there = endpoint(stage, server.base_url, "chatty", key="sk-own-secret-key")
                    async with asking((stage, there)) as process:
                        with pytest.raises(TrunklineError) as failed:
                            await process.run(stage, there)
                        assert secret not in str(failed.value)
    told = [str(vars(record)) for record in caplog.records if record.name.startswith("trunkline")]
    assert told
    assert not [each for each in told if secret in each or "sk-own-secret-key" in each]
    assert all(record.exc_info is None for record in caplog.records)


# --- chat -------------------------------------------------------------------------------------------------------------


async def chatted(*answers: Answer) -> tuple[str, list[Hostile], Any]:
    """What is said by endpoints that give these answers, one each."""
    async with hostile() as one, hostile() as two:
        servers = [one, two][: len(answers)]
        for server, answer in zip(servers, answers, strict=True):
            server.then(answer)
        there = [endpoint(Stage.CHAT, server.base_url, f"chat-{n}", timeout_s=2.0) for n, server in enumerate(servers)]
        async with asking(*((Stage.CHAT, each) for each in there)) as process:
            await process.run(Stage.CHAT, *there)
            return process.text, servers, process.written


CUT = [
    stream(*sse(chunk("We open "), chunk("at")), is_cut=True),
    stream(*sse(chunk("We open "), chunk("at"))),
    stream(*sse(chunk("We open "), chunk("at"), {"error": {"message": "x", "code": "server_error"}})),
    stream(*sse(chunk("We open "), chunk("at")), b"data: {half\n\n"),
    stream(*sse(chunk("We open "), chunk("at"), {"choices": 7})),
    stream(*sse(chunk("We open "), chunk("at"), "null")),
    stream(*sse(chunk("We open "), chunk("at"), "[" * 100_000)),
]


@pytest.mark.parametrize("cut", CUT, ids=["broken", "ended", "error", "no json", "no choices", "null", "pit"])
async def test_another_model_goes_on_where_the_first_broke_off(cut: Answer) -> None:
    text, servers, _ = await chatted(cut, chat(" nine", "."))
    assert text == "We open at nine."
    told = json.loads(servers[1].asked[0][1])["messages"]
    assert told[-2] == {"role": "assistant", "content": "We open at"}
    assert told[-1]["role"] == "system"


async def test_the_only_model_goes_on_where_it_broke_off_however_late_that_was() -> None:
    async with hostile() as server:
        server.then(CUT[0], chat(" nine", "."))
        only = endpoint(Stage.CHAT, server.base_url, "chat-only")
        async with asking((Stage.CHAT, only)) as process:
            await process.run(Stage.CHAT, only)
            assert process.text == "We open at nine."


async def test_a_stream_that_falls_silent_is_left() -> None:
    forever = asyncio.Event()
    async with hostile() as one, hostile() as two:
        one.then(stream(*sse(chunk("", role="assistant"), chunk("")), holds=forever))
        two.then(chat("Yes."))
        there = [endpoint(Stage.CHAT, each.base_url, f"silent-{n}", timeout_s=0.3) for n, each in enumerate((one, two))]
        async with asking(*((Stage.CHAT, each) for each in there)) as process:
            await process.run(Stage.CHAT, *there)
            assert process.text == "Yes."
        forever.set()
    assert attempts(Stage.CHAT, "silent-0") == {"deadline": 1}


async def test_a_model_that_does_not_end_is_stopped() -> None:
    async with hostile() as server:
        server.then(endless(b"".join(sse(chunk("word " * 100)))))
        there = endpoint(Stage.CHAT, server.base_url, "chat-endless")
        async with asking((Stage.CHAT, there)) as process:
            with pytest.raises(RemoteProtocolError):
                await process.run(Stage.CHAT, there)
            assert 10_000 < len(process.text) <= 20_000


@pytest.mark.parametrize(
    "calls",
    [
        [{"index": n, "id": f"c{n}", "function": {"name": "list_rooms", "arguments": "{}"}} for n in range(20)],
        [{"index": 0, "id": "c", "function": {"name": "x" * 9_000, "arguments": "{}"}}],
        [{"index": 0, "id": "c", "function": {"name": "list_rooms", "arguments": "x" * 50_000}}],
        "no list",
        [7],
    ],
    ids=["many", "long name", "long arguments", "no list", "numbers"],
)
async def test_tools_beyond_all_bounds_are_a_failure(calls: Any) -> None:
    wrong = stream(*sse(chunk(tool_calls=calls), chunk(finish="tool_calls"), "[DONE]"))
    text, _, written = await chatted(wrong, chat("Yes."))
    assert (text, written.tools) == ("Yes.", ())


async def test_half_a_tool_call_is_not_run() -> None:
    half = {"index": 0, "id": "c", "function": {"name": "list_rooms", "arguments": '{"da'}}
    text, _, written = await chatted(stream(*sse(chunk(tool_calls=[half]), chunk("")), is_cut=True), chat("Yes."))
    assert (text, written.tools) == ("Yes.", ())


async def test_a_tool_call_without_arguments_has_empty_ones() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "list_rooms"}}
    _, _, written = await chatted(stream(*sse(chunk(tool_calls=[call]), chunk(finish="tool_calls"), "[DONE]")))
    assert [(tool.name, tool.arguments) for tool in written.tools] == [("list_rooms", "{}")]


# --- speech -----------------------------------------------------------------------------------------------------------


async def spoken(answers: Sequence[Answer], *, said: str = "Hello.", **more: Any) -> bytes:
    """The voice that endpoints with these answers make, one each."""
    async with hostile() as one, hostile() as two:
        servers = [one, two][: len(answers)]
        for server, answer in zip(servers, answers, strict=True):
            server.then(answer)
        there = [endpoint(Stage.SPEECH, each.base_url, f"voice-{n}", **more) for n, each in enumerate(servers)]
        async with asking(*((Stage.SPEECH, each) for each in there)) as process:
            return b"".join(await process.run(Stage.SPEECH, *there, said=said))


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("form", ["pcm", "wav"])
async def test_a_voice_of_any_rate_is_heard_at_ours(form: str, rate: int) -> None:
    body = tone(1_000, rate) if form == "pcm" else wav(tone(1_000, rate), rate)
    more: dict[str, Any] = {"sample_rate": rate} if form == "pcm" else {}
    pcmu = await spoken([whole(body, f"audio/{form}")], response_format=form, **more)
    assert abs(duration_ms(pcmu) - 1_000) <= 5
    assert abs(peak_hz(pcmu) - 400) < 4


async def test_a_wav_for_who_asked_for_samples_is_heard_at_the_rate_it_says() -> None:
    pcmu = await spoken([whole(wav(tone(1_000, 16_000), 16_000), "audio/wav")])
    assert abs(duration_ms(pcmu) - 1_000) <= 5
    assert abs(peak_hz(pcmu) - 400) < 4


async def test_two_channels_become_one() -> None:
    both = np.repeat(np.frombuffer(tone(1_000), dtype="<i2"), 2).tobytes()
    pcmu = await spoken([whole(wav(both, RATE, channels=2), "audio/wav")], response_format="wav")
    assert abs(duration_ms(pcmu) - 1_000) <= 5
    assert abs(peak_hz(pcmu) - 400) < 4


async def test_it_does_not_matter_in_which_pieces_a_voice_comes() -> None:
    data = wav(tone(300), RATE)
    odd = [data[at : at + 7] for at in range(0, len(data), 7)]
    in_one, in_many = await spoken([whole(data, "audio/wav")]), await spoken([stream(*odd, content_type="audio/wav")])
    assert len(in_one) == len(in_many)
    assert np.abs(to_samples(in_one).astype(int) - to_samples(in_many)).max() <= 16, "but for the last bit"


@pytest.mark.parametrize(
    "wrong",
    [
        whole(b"", "audio/pcm"),
        whole(b"\0", "audio/pcm"),
        whole(b"RIFF", "audio/wav"),
        whole(wav(b"", RATE), "audio/wav"),
        whole(wav(tone(100), RATE)[:40], "audio/wav"),
        whole(b"RIFF\0\0\0\0WAVE" + b"junk\xff\xff\xff\xff" + bytes(200_000), "audio/wav"),
        whole(b"ID3\x04" + bytes(5_000), "audio/mpeg"),
        whole(b"OggS" + bytes(5_000), "audio/ogg"),
        endless(tone(1_000), "audio/pcm"),
        endless(b"RIFF" + bytes(4_096), "audio/wav"),
    ],
    ids=["empty", "one byte", "riff", "no samples", "half a header", "junk", "mp3", "ogg", "endless", "endless header"],
)
async def test_a_voice_that_is_none_is_a_failure_and_another_speaks(wrong: Answer) -> None:
    before = attempts(Stage.SPEECH, "voice-0").get("garbage", 0)
    pcmu = await spoken([wrong, whole(tone(20_000), "audio/pcm")], said="x" * 60)
    assert attempts(Stage.SPEECH, "voice-0").get("garbage", 0) == before + 1
    assert pcmu.strip(SILENCE)
    assert duration_ms(pcmu) <= 24_000 + 100


async def test_another_voice_says_only_what_the_first_did_not() -> None:
    samples = tone(2_000)
    cut = stream(samples[: len(samples) // 2], content_type="audio/pcm", is_cut=True)
    pcmu = await spoken([cut, whole(samples, "audio/pcm")])
    assert abs(duration_ms(pcmu) - 2_000) <= 20
    assert abs(peak_hz(pcmu) - 400) < 4


async def test_the_profiles_voice_and_the_words_are_what_is_asked_for() -> None:
    async with hostile() as server:
        server.then(good(Stage.SPEECH))
        there = endpoint(Stage.SPEECH, server.base_url, "asked", voice="cedar")
        async with asking((Stage.SPEECH, there)) as process:
            await process.run(Stage.SPEECH, there, said="Good morning.")
        asked = json.loads(server.asked[0][1])
    assert (asked["voice"], asked["input"], asked["response_format"]) == ("cedar", "Good morning.", "pcm")
