"""Sessions opened ahead of need."""

from common.audio import Kind
from integration.realtime_worker.edge_stand_in import PROFILE, until
from integration.realtime_worker.stage import Stages, metric


def warm() -> int:
    return round(metric("trunkline_warm_sessions"))


async def test_a_call_takes_a_warm_session_and_it_is_replaced(stage: Stages) -> None:
    async with stage(warm_sessions=2) as on:
        await until(lambda: warm() == 2)
        leg, _ = await on.edge.offer()
        ready = await on.edge.ready(leg)
        assert ready.is_warm
        assert ready.realtime_session_id in [session["session_id"] for session in await on.openai.sessions()][:2]
        await until(lambda: leg.of(Kind.ITEM_END))
        await until(lambda: warm() == 2)
        assert len(await on.openai.sessions()) == 3


async def test_another_model_is_opened_afresh(stage: Stages) -> None:
    async with stage(warm_sessions=1) as on:
        await until(lambda: warm() == 1)
        leg, _ = await on.edge.offer(profile=PROFILE.model_copy(update={"model": "gpt-realtime-2.1-mini"}))
        assert not (await on.edge.ready(leg)).is_warm
        assert (await on.session())["model"] == "gpt-realtime-2.1-mini"


async def test_a_warm_session_that_has_gone_deaf_falls_back_to_a_new_one(stage: Stages) -> None:
    async with stage(warm_sessions=1, open_timeout_s=1.0) as on:
        await until(lambda: warm() == 1)
        await on.fault("black_hole", target={"sessions": "running"})
        leg, _ = await on.edge.offer()
        assert not (await on.edge.ready(leg)).is_warm


async def test_a_warm_session_the_provider_closes_is_replaced(stage: Stages) -> None:
    async with stage(warm_sessions=1) as on:
        await until(lambda: warm() == 1)
        await on.fault("close", code=1001, target={"sessions": "running"})
        await until(lambda: len(on.edge.outcomes) == 2)
        await until(lambda: warm() == 1)


async def test_an_old_warm_session_is_replaced(stage: Stages) -> None:
    async with stage(warm_sessions=1, warm_max_age_s=0.3) as on:
        await until(lambda: warm() == 1)
        first = (await on.session())["session_id"]
        await until(lambda: len(on.edge.outcomes) == 2)
        await until(lambda: warm() == 1)
        sessions = await on.openai.sessions()
        assert sessions[0]["session_id"] == first
        assert sessions[0]["closed_by"] == "client"


async def test_an_outage_leaves_none_and_the_end_of_it_brings_them_back(stage: Stages) -> None:
    await stage.openai.sim("POST", "faults", {"kind": "refuse_upgrade", "status": 503, "times": 2})
    async with stage(warm_sessions=2) as on:
        await until(lambda: len(on.edge.outcomes) >= 2)
        assert {outcome.error_code for outcome in on.edge.outcomes[:2]} == {"unavailable"}
        await until(lambda: warm() == 2)
