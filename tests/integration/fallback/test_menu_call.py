"""A call with no model at all: prompts, keys, a message on disk, a human, and the way back to the pipeline."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from common.messages.commands import Digits
from common.messages.facts import (
    CallbackWanted,
    CallerSaid,
    LevelCause,
    MessageLeft,
    ServiceLevelChanged,
    TurnEnded,
    TurnStarted,
)
from common.profile import AgentProfile, Fallback, Menu, TransferTarget
from common.prompt_names import Prompt
from common.prompts import load_prompts
from fakes.proxy import running_proxy
from integration.fallback.desk import PROFILE, PROMPTS, Desk, desk
from integration.realtime_worker.edge_stand_in import Leg, until
from integration.realtime_worker.openai_process import Simulator
from simulators.people.recordings import load

NUMBER = "+14155550100"
WITH_HUMAN = PROFILE.model_copy(
    update={
        "fallback": Fallback(menu=Menu(transfer="front-desk")),
        "transfers": {"front-desk": TransferTarget(number="+15550100300")},
    }
)
SAYS = load_prompts(PROMPTS).of(None, "en", WITH_HUMAN.fallback.menu)


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nobody() -> dict[str, Any]:
    """Settings of a replica whose endpoints are all away."""
    return {"openai_base_url": f"http://127.0.0.1:{free_port()}/v1"}


async def offered(on: Desk, profile: AgentProfile = WITH_HUMAN, **more: Any) -> Leg:
    """A call that has come to the menu."""
    leg, _ = await on.edge.offer(profile=profile, caller_number=NUMBER, **more)
    await on.edge.ready(leg)
    await says(leg, Prompt.TROUBLE)
    return leg


async def says(leg: Leg, prompt: Prompt) -> str:
    """Wait until this prompt was said; the item."""
    wanted = SAYS[prompt].text

    def found() -> list[str]:
        return [item for item in leg.items if wanted in leg.text_of(item)]

    await until(found)
    return found()[-1]


async def press(on: Desk, leg: Leg, digits: str) -> None:
    await on.edge.tell(Digits(call_id=leg.call_id, epoch=leg.epoch, digits=digits))


def kept(directory: Path, suffix: str) -> list[str]:
    """The files callers have left."""
    return [path.name for path in directory.glob(f"*{suffix}")]


def levels(on: Desk, leg: Leg) -> list[tuple[int, LevelCause]]:
    """The levels the call had, and why."""
    return [(fact.level, fact.cause) for fact in on.edge.facts_of(leg, ServiceLevelChanged)]


async def test_without_any_model_the_caller_hears_the_menu_at_once(
    openai: Simulator, nats_url: str, tmp_path: Path
) -> None:
    async with desk(openai, nats_url, tmp_path, **nobody()) as on:
        leg = await offered(on)
        item = await says(leg, Prompt.MENU_MESSAGE)
        assert SAYS[Prompt.MENU_TRANSFER].text in leg.text_of(item)
        assert leg.audio_ms(item) > 5_000
        assert levels(on, leg) == [(2, LevelCause.PROVIDER_FAILED), (3, LevelCause.STAGES_FAILED)]
        # The next call need not find out again.
        other = await offered(on)
        assert levels(on, other) == [(3, LevelCause.STAGES_FAILED)]


async def test_a_message_is_recorded_becomes_a_turn_a_fact_and_a_file(
    openai: Simulator, nats_url: str, tmp_path: Path
) -> None:
    async with desk(openai, nats_url, tmp_path, **nobody()) as on:
        leg = await offered(on)
        await press(on, leg, "2")
        item = await says(leg, Prompt.RECORD)
        await on.edge.be_silent(leg, leg.audio_ms(item) + 600)
        await until(lambda: on.edge.facts_of(leg, TurnStarted)[-1].item_id.startswith("message"))
        await on.edge.speak(leg, load("caller-2").pcmu)
        await press(on, leg, "#")
        await until(lambda: on.edge.facts_of(leg, MessageLeft))
        (left,) = on.edge.facts_of(leg, MessageLeft)
        assert left.profile == WITH_HUMAN.name
        await says(leg, Prompt.RECORDED)
        assert "[left a message]" in [fact.text for fact in on.edge.facts_of(leg, CallerSaid)]
        ended = {fact.item_id for fact in on.edge.facts_of(leg, TurnEnded)}
        assert ended == {fact.item_id for fact in on.edge.facts_of(leg, TurnStarted) if fact.speaker == "caller"}
        assert [left.message_id in each for each in kept(tmp_path, ".wav")] == [True]
        assert left.duration_ms > 2_000


async def test_a_caller_who_hangs_up_while_speaking_has_left_a_message(
    openai: Simulator, nats_url: str, tmp_path: Path
) -> None:
    async with desk(openai, nats_url, tmp_path, **nobody()) as on:
        leg = await offered(on)
        await press(on, leg, "2")
        item = await says(leg, Prompt.RECORD)
        await on.edge.be_silent(leg, leg.audio_ms(item) + 600)
        await on.edge.speak(leg, load("caller-2").pcmu)
        await on.edge.release(leg)
        await until(lambda: on.edge.facts_of(leg, MessageLeft))
        assert len(kept(tmp_path, ".wav")) == 1


async def test_a_wish_to_be_called_back_is_kept_and_a_human_is_asked_for_by_name(
    openai: Simulator, nats_url: str, tmp_path: Path
) -> None:
    async with desk(openai, nats_url, tmp_path, **nobody()) as on:
        leg = await offered(on)
        await press(on, leg, "3")
        await says(leg, Prompt.CALLBACK_NOTED)
        (wanted,) = on.edge.facts_of(leg, CallbackWanted)
        assert wanted.caller_number == NUMBER
        await until(lambda: kept(tmp_path, ".json"))
        other = await offered(on)
        await press(on, other, "4")
        item = await says(other, Prompt.TRANSFERRING)
        await on.edge.be_silent(other, other.audio_ms(item) + 600)
        await until(lambda: other.transfers)
        assert [transfer.to for transfer in other.transfers] == ["front-desk"]


async def test_when_the_stages_work_again_the_call_climbs_back_and_is_answered_by_a_model(
    openai: Simulator, nats_url: str, tmp_path: Path
) -> None:
    async with running_proxy("127.0.0.1", openai.port) as way:
        await way.cut()
        async with desk(openai, nats_url, tmp_path, openai_base_url=f"http://127.0.0.1:{way.port}/v1") as on:
            leg = await offered(on)
            await press(on, leg, "1")
            await says(leg, Prompt.HOLDING)
            await way.mend()
            async with asyncio.timeout(40):
                while levels(on, leg)[-1] != (2, LevelCause.RECOVERED):
                    await on.edge.be_silent(leg, 100)
            await says(leg, Prompt.RESUMED)
            await on.edge.be_silent(leg, 2_500)
            await on.edge.speak(leg, load("caller-2").pcmu)
            await on.edge.be_silent(leg, 900)
            async with asyncio.timeout(20):
                while not (asked := await talks(on)):
                    await asyncio.sleep(0.05)
            assert asked[-1]["content"] == load("caller-2").text
            await until(lambda: load("agent-i-see").text in leg.text_of(leg.items[-1]))


async def talks(on: Desk) -> list[dict[str, Any]]:
    """What the chat model was told of a caller, beside the probes."""
    asked = [each["asked"]["messages"] for each in await on.requests("chat")]
    return next((messages for messages in asked if messages[0]["role"] == "system"), [])
