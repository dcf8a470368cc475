"""The worker as a process of its own: settings, readiness, drain, exit."""

import asyncio
import os
import re
import signal
import sys
import urllib.request

from common.audio import Kind
from common.messages.commands import Drain, Draining
from common.messages.offers import HandoverReason
from fakes.nats import free_port
from integration.realtime_worker.edge_stand_in import stand_in, until
from integration.realtime_worker.openai_process import Simulator


async def started(**environment: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REALTIME_", "OPENAI_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "realtime_worker", env=kept | environment, stderr=asyncio.subprocess.PIPE
    )


async def test_a_missing_key_ends_it_with_one_line() -> None:
    process = await started()
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, errors) == (2, b"error: OPENAI_API_KEY is required but not set\n")


async def test_it_serves_a_call_drains_at_sigterm_and_logs_no_word_and_no_key(openai: Simulator, nats_url: str) -> None:
    ops_port = free_port()
    async with stand_in(nats_url) as edge:
        process = await started(
            NATS_URL=nats_url,
            OPENAI_API_KEY="sk-secret-of-the-test",
            OPENAI_BASE_URL=openai.base_url,
            REALTIME_WORKER_OPS_PORT=str(ops_port),
        )
        await until(lambda: edge.heartbeats, 20)
        assert await _get(ops_port, "readyz") == "ok"
        leg, _ = await edge.offer()
        await edge.ready(leg)
        await until(lambda: leg.of(Kind.ITEM_END))
        assert re.search(r'trunkline_calls_active\{service="realtime_worker"\} 1\.0', await _get(ops_port, "metrics"))
        process.send_signal(signal.SIGTERM)
        await until(lambda: edge.heartbeats[-1].is_draining)
        assert process.returncode is None
        await edge.release(leg)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0
        assert edge.heartbeats[-1].is_farewell
    log = errors.decode()
    assert "sk-secret-of-the-test" not in log
    assert "reading room" not in log
    assert "Traceback" not in log


async def _get(port: int, path: str) -> str:
    def fetch() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(fetch)


async def test_told_to_drain_twice_it_gives_its_calls_away_and_ends_well(openai: Simulator, nats_url: str) -> None:
    async with stand_in(nats_url) as edge:
        process = await started(
            NATS_URL=nats_url, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=openai.base_url, REALTIME_WORKER_OPS_PORT="0"
        )
        await until(lambda: edge.heartbeats, 20)
        legs = [(await edge.offer())[0] for _ in range(2)]
        await until(lambda: all(leg.of(Kind.ITEM_END) for leg in legs))
        for _ in range(2):
            answer = Draining.decode((await edge.ask(Drain())).data)
            assert (answer.process_id, answer.calls) == (edge.talker_id, 2)
        await until(lambda: all(leg.wishes for leg in legs))
        assert {leg.wishes[0].reason for leg in legs} == {HandoverReason.DRAIN}
        for leg in legs:
            assert process.returncode is None
            await edge.release(leg)
        await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0
