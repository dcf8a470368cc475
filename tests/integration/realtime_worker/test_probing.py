"""A worker opens a session without a caller when it is asked whether the provider works."""

import asyncio

from common import subjects
from common.messages.breaker import ProbeSession, SessionProbed
from integration.realtime_worker.edge_stand_in import until
from integration.realtime_worker.stage import Stage, Stages

MODEL = "gpt-realtime-2.1"


async def probed(on: Stage) -> SessionProbed:
    question = ProbeSession(provider="openai", model=MODEL).encode()
    return SessionProbed.decode((await on.edge.client.request(subjects.probe("realtime"), question, timeout=10)).data)


async def test_a_probe_opens_a_session_and_closes_it_again(stage: Stages) -> None:
    async with stage() as on:
        answer = await probed(on)
        assert answer.error_code == ""
        assert await on.closed_by() == {"client"}
        assert (await on.session())["model"] == MODEL
        await until(lambda: on.edge.outcomes)
        (outcome,) = on.edge.outcomes
        assert (outcome.attempt, outcome.is_ok, outcome.model) == ("connect", True, MODEL)


async def test_a_probe_of_a_provider_that_refuses_says_why(stage: Stages) -> None:
    await stage.openai.sim("POST", "faults", {"kind": "refuse_upgrade", "status": 503, "times": 1})
    async with stage() as on:
        assert (await probed(on)).error_code == "unavailable"
        assert (await probed(on)).error_code == ""


async def test_a_crowd_of_probes_is_not_passed_on(stage: Stages) -> None:
    async with stage() as on:
        question = ProbeSession(provider="openai", model=MODEL).encode()
        for _ in range(50):
            await on.edge.client.publish(subjects.probe("realtime"), question, reply="nobody.waits")
        await on.edge.client.publish(subjects.probe("realtime"), b"{}", reply="nobody.waits")
        assert (await _answered(on)).error_code == ""
        assert len(await on.openai.sessions()) < 10


async def _answered(on: Stage) -> SessionProbed:
    """Those before it are in the way for a moment."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await probed_within(on, 0.5)
            except TimeoutError:
                continue


async def probed_within(on: Stage, seconds: float) -> SessionProbed:
    async with asyncio.timeout(seconds):
        return await probed(on)
