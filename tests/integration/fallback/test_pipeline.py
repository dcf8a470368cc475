"""Each stage against the simulated OpenAI as a process of its own, which refuses whatever the API would."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.agents import ToolGrant
from common.errors import DeadlineExceeded, UpstreamRejected, UpstreamUnavailable
from common.pcmu import duration_ms, silence
from common.pipeline import Pipeline
from fakes.waiting import until
from fallback.core.vocabulary import Stage, StagesChanged
from fallback.pipeline.pcmu_codec import to_samples
from fallback.probing import Prober
from integration.fallback.hostile import forward, gone, hostile
from integration.fallback.pipeline import asking, attempts, endpoint
from integration.simulators.openai.process import Simulator, running
from simulators.people import recordings
from simulators.people.likeness import Likeness

SCRIPT = """
account: {bad_keys: [sk-bad], unavailable_models: [gpt-unavailable]}
replies:
  - {when: {tool_result: list_rooms}, say: "Two rooms are free. Which one?"}
  - {when: {caller_said: rooms}, say: "Let me look.", tool_call: {name: list_rooms, arguments: {day: "今日", floor: 2}}}
  - {when: default, say: "We open at nine. We close at five."}
"""
ROOMS = ToolGrant(
    name="list_rooms",
    description="Rooms",
    parameters={"type": "object", "properties": {"day": {"type": "string"}, "floor": {"type": "integer"}}},
)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One for all tests of this file."""
    script: Path = tmp_path_factory.mktemp("script") / "script.yaml"
    script.write_text(SCRIPT)
    with running(script) as process:
        yield process


@pytest.mark.parametrize("name", ["caller-3", "caller-5", "ja-caller-1"])
async def test_a_turn_becomes_the_words_that_were_said(simulator: Simulator, name: str) -> None:
    recording = recordings.load(name)
    there = endpoint(Stage.TRANSCRIPTION, simulator.base_url, "t-words")
    async with asking((Stage.TRANSCRIPTION, there)) as process:
        pcmu = silence(300) + recording.pcmu + silence(500)
        assert await process.run(Stage.TRANSCRIPTION, there, pcmu=pcmu) == [recording.text]


async def test_silence_has_no_words(simulator: Simulator) -> None:
    there = endpoint(Stage.TRANSCRIPTION, simulator.base_url, "t-silence")
    async with asking((Stage.TRANSCRIPTION, there)) as process:
        assert await process.run(Stage.TRANSCRIPTION, there, pcmu=silence(1_000)) == [""]


async def test_an_answer_comes_as_it_is_written_with_what_it_cost(simulator: Simulator) -> None:
    there = endpoint(Stage.CHAT, simulator.base_url, "c-words")
    async with asking((Stage.CHAT, there)) as process:
        await process.run(Stage.CHAT, there)
        assert process.text == "We open at nine. We close at five."
        assert len(process.pieces) > 5
        usage = process.written.usage
        assert usage is not None
        assert min(usage.input_text_tokens, usage.output_text_tokens) > 0
    assert attempts(Stage.CHAT, "c-words") == {"ok": 1}


async def test_a_tool_is_asked_for_and_its_result_answered(simulator: Simulator) -> None:
    there = endpoint(Stage.CHAT, simulator.base_url, "c-tools")
    question = ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "Any rooms?"})
    async with asking((Stage.CHAT, there)) as process:
        await process.run(Stage.CHAT, there, messages=question, tools=(ROOMS,))
        (tool,) = process.written.tools
        assert (process.text, tool.name) == ("Let me look.", "list_rooms")
        assert json.loads(tool.arguments) == {"day": "今日", "floor": 2}
        function = {"name": tool.name, "arguments": tool.arguments}
        call = {"id": tool.tool_call_id, "type": "function", "function": function}
        result = (
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": tool.tool_call_id, "content": "[1, 2]"},
        )
        await process.run(Stage.CHAT, there, messages=(*question, *result), tools=(ROOMS,))
        assert process.text == "Two rooms are free. Which one?"


@pytest.mark.parametrize("form", ["pcm", "wav"])
async def test_a_sentence_becomes_the_voice_that_says_it(simulator: Simulator, form: str) -> None:
    recording = recordings.load("agent-opening-hours")
    there = endpoint(Stage.SPEECH, simulator.base_url, f"s-{form}", response_format=form)
    async with asking((Stage.SPEECH, there)) as process:
        pieces = await process.run(Stage.SPEECH, there, said=recording.text)
    pcmu = b"".join(pieces)
    assert len(pieces) > 5
    assert abs(duration_ms(pcmu) - recording.duration_ms) < 50
    assert Likeness(recordings.load_all()).recognise(to_samples(pcmu).tolist()).text == recording.text


async def test_who_refuses_us_is_passed_over_and_not_asked_again(simulator: Simulator) -> None:
    bad_key = endpoint(Stage.CHAT, simulator.base_url, "c-bad-key", key="sk-bad")
    no_model = endpoint(Stage.CHAT, simulator.base_url, "c-no-model", model="gpt-unavailable")
    good = endpoint(Stage.CHAT, simulator.base_url, "c-good")
    async with asking((Stage.CHAT, bad_key), (Stage.CHAT, no_model), (Stage.CHAT, good)) as process:
        for _ in range(3):
            await process.run(Stage.CHAT, bad_key, no_model, good)
            assert process.text == "We open at nine. We close at five."
        with pytest.raises(UpstreamUnavailable):
            await process.run(Stage.CHAT, bad_key, no_model)
    assert attempts(Stage.CHAT, "c-bad-key") == {"rejected": 1}
    assert attempts(Stage.CHAT, "c-no-model") == {"rejected": 1}
    assert attempts(Stage.CHAT, "c-good") == {"ok": 3}


async def test_the_last_refusal_is_told_if_nobody_else_is_there(simulator: Simulator) -> None:
    bad_key = endpoint(Stage.CHAT, simulator.base_url, "c-bad-only", key="sk-bad")
    async with asking((Stage.CHAT, bad_key)) as process:
        with pytest.raises(UpstreamRejected):
            await process.run(Stage.CHAT, bad_key)
    assert attempts(Stage.CHAT, "c-bad-only") == {"rejected": 1}


async def test_alternatives_are_tried_in_their_order_whatever_is_wrong_with_the_first(simulator: Simulator) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = endpoint(Stage.CHAT, f"http://127.0.0.1:{unused.getsockname()[1]}/v1", "c-nobody")
        good = endpoint(Stage.CHAT, simulator.base_url, "c-second")
        async with hostile() as server, asking((Stage.CHAT, nobody), (Stage.CHAT, good)) as process:
            server.then(server.never)
            hole = endpoint(Stage.CHAT, server.base_url, "c-hole", timeout_s=0.2)
            process.know({Stage.CHAT: [nobody, hole, good]})
            async with asyncio.timeout(10):
                await process.run(Stage.CHAT, nobody, hole, good)
    assert attempts(Stage.CHAT, "c-nobody") == {"unavailable": 1}
    assert attempts(Stage.CHAT, "c-hole") == {"deadline": 1}
    assert attempts(Stage.CHAT, "c-second") == {"ok": 1}


@pytest.mark.parametrize("stage", Stage)
async def test_a_black_hole_costs_its_timeout_and_no_more(stage: Stage) -> None:
    async with hostile() as server:
        server.then(server.never)
        hole = endpoint(stage, server.base_url, f"hole-{stage}", timeout_s=0.5)
        async with asking((stage, hole)) as process, asyncio.timeout(20):
            process.clients.prepare(Pipeline(transcription=(hole,), chat=(), speech=(), source="a test"))
            with pytest.raises(DeadlineExceeded):
                await process.run(stage, hole)
    assert len(server.asked) == 1
    assert attempts(stage, hole.name) == {"deadline": 1}


@pytest.mark.parametrize("stage", Stage)
async def test_an_endpoint_that_was_down_is_probed_and_used_again(simulator: Simulator, stage: Stage) -> None:
    async with hostile() as server:
        server.then(gone)
        there = endpoint(stage, server.base_url, f"probed-{stage}")
        others = {each: endpoint(each, simulator.base_url, f"beside-{each}") for each in Stage if each is not stage}
        known: dict[Stage, Any] = {stage: (there,), **{each: (other,) for each, other in others.items()}}
        async with asking() as process:
            process.know(known)
            with pytest.raises(UpstreamUnavailable):
                await process.run(stage, there)
            assert process.told == [StagesChanged(are_up=False)]
            asked = len(server.asked)
            with pytest.raises(UpstreamUnavailable):
                await process.run(stage, there)
            assert len(server.asked) == asked, "nobody waits for what is known to be down"
            server.then(forward(simulator.port))
            pipeline = Pipeline(**{each.value: known[each] for each in Stage}, source="a test")
            probing = asyncio.create_task(Prober(process.stages, process.clients, pipeline).run())
            await until(lambda: process.told[-1] == StagesChanged(are_up=True))
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
    assert attempts(stage, there.name)["ok"] == 1
