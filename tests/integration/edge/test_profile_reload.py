"""Agent profiles that change while the edge runs: the next call has the new one, a mistake changes nothing."""

import asyncio
from pathlib import Path

from fakes.talker import talking
from integration.edge.running import PROFILE, counted, stage


async def test_the_next_call_has_the_changed_profile_and_a_broken_one_changes_nothing(
    nats_url: str, tmp_path: Path
) -> None:
    async with stage(nats_url, tmp_path) as edge, talking(edge.nats_url) as talker:
        file = tmp_path / "agents" / "desk.yaml"
        async with edge.phone.call() as stream:
            first = await talker.cut_over_to()
            refused = counted("profile_reloads", result="refused")
            file.write_text(PROFILE + "voise: marin\n")
            await reloaded("refused", refused)
            taken = counted("profile_reloads", result="taken")
            file.write_text(PROFILE.replace("Be brief.", "Be very brief."))
            await reloaded("taken", taken)
            assert stream.is_open
            async with edge.phone.call():
                second = await talker.cut_over_to(2)
        assert [offer.profile.instructions for offer in (first, second)] == ["Be brief.", "Be very brief."]


async def reloaded(result: str, before: float) -> None:
    """The watch looks once a second."""
    async with asyncio.timeout(20):
        while counted("profile_reloads", result=result) == before:
            await asyncio.sleep(0.02)
