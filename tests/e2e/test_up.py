"""`trunkline up`: the whole stack as processes, supervised, called, drained."""

import os
import signal
from pathlib import Path

import psutil

from e2e.command import Command, environment, model_at, trunkline
from fakes.nats import free_port

SHORT_CALL = """
steps:
  - wait_for_agent_speech: {timeout_ms: 20000}
  - wait_for_agent_silence
  - say: caller-2
  - wait_for_agent_speech: {timeout_ms: 20000}
  - hangup
"""
LONG_CALL = """
steps:
  - wait_for_agent_speech: {timeout_ms: 20000}
  - pause_ms: 120000
  - hangup
"""


def script(directory: Path, text: str) -> str:
    path = directory / "caller.yaml"
    path.write_text(text)
    return str(path)


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=2)[1]


async def draining_order(stack: Command) -> list[str]:
    return [name for event in stack.named("draining") for name in sorted(event["processes"])]


async def test_a_stack_takes_a_call_restarts_what_dies_and_drains_on_ctrl_c(tmp_path: Path) -> None:
    env = environment()
    sizes = ("--edges", "2", "--workers", "2", "--fallbacks", "2")
    async with trunkline("up", *sizes, "--json", cwd=tmp_path, env=env) as stack:
        up = await stack.until_event("up")
        assert up["voice_url"].startswith("http://127.0.0.1:")
        await stack.until_event("status", edges_ready=2, workers_ready=2, fallbacks_ready=2, calls=0)
        assert psutil.Process(up["pids"]["worker-1"]).environ()["REALTIME_WORKER_WARM_SESSIONS"] == "2"

        async with trunkline("call", "--json", "--script", script(tmp_path, SHORT_CALL), cwd=tmp_path, env=env) as call:
            await stack.until_event("status", calls=1)
            assert await call.ended() == 0, call.errors
        (report,) = call.named("report")
        assert [turn["speaker"] for turn in report["turns"]] == ["agent", "caller", "agent"]
        assert report["epochs"] == [1]

        worker = next(child for child in stack.children if "realtime_worker" in child.cmdline())
        os.kill(worker.pid, signal.SIGKILL)
        restart = await stack.until_event("restarting", code=-signal.SIGKILL)
        assert restart["process"] in ("worker-1", "worker-2")
        restarted_at = stack.events.index(restart)
        await stack.until(lambda event: event in stack.events[restarted_at:] and event["event"] == "ready")

        children = stack.children
        assert len(children) == 9
        stack.process.send_signal(signal.SIGINT)
        assert await stack.ended() == 0
        assert gone(children)
        assert await draining_order(stack) == [
            "edge-1",
            "edge-2",
            "worker-1",
            "worker-2",
            "fallback-1",
            "fallback-2",
            "orchestrator-1",
            "model-simulator",
            "nats",
        ]
    assert not (tmp_path / "build/run/stack.json").exists()


async def test_the_first_ctrl_c_waits_for_calls_and_the_second_does_not(tmp_path: Path) -> None:
    env = environment()
    async with trunkline("up", "--json", cwd=tmp_path, env=env) as stack:
        await stack.until_event("up")
        async with trunkline("call", "--json", "--script", script(tmp_path, LONG_CALL), cwd=tmp_path, env=env):
            await stack.until_event("status", calls=1)
            children = stack.children
            stack.process.send_signal(signal.SIGINT)
            await stack.until_event("status", calls=1, is_draining=True)
            assert not gone(children)
            stack.process.send_signal(signal.SIGINT)
            assert await stack.ended(5.0) == 0
            assert gone(children)


async def test_with_the_operators_own_peers_nothing_is_made_up(tmp_path: Path, nats_url: str) -> None:
    port, model_port = free_port(), free_port()
    env = environment(
        NATS_URL=nats_url,
        OPENAI_API_KEY="sk-own",
        OPENAI_BASE_URL=f"http://127.0.0.1:{model_port}/v1",
        TWILIO_ACCOUNT_SID="AC" + "5" * 32,
        TWILIO_AUTH_TOKEN="the-operators-own-token",
        PUBLIC_BASE_URL=f"http://127.0.0.1:{port}",
        EDGE_PORT=str(port),
    )
    async with model_at(model_port), trunkline("up", "--json", cwd=tmp_path, env=env) as stack:
        assert (await stack.until_event("up"))["voice_url"] == f"http://127.0.0.1:{port}/twilio/voice"
        assert len(stack.children) == 4, "one of each service"
        assert "the-operators-own-token" not in (tmp_path / "build/run/stack.json").read_text()
        async with trunkline("call", "--json", "--script", script(tmp_path, SHORT_CALL), cwd=tmp_path, env=env) as call:
            assert await call.ended() == 0, call.errors
        stack.process.send_signal(signal.SIGINT)
        assert await stack.ended() == 0
    assert "the-operators-own-token" not in stack.errors


async def test_a_second_stack_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    env = environment()
    async with trunkline("up", "--json", cwd=tmp_path, env=env) as first:
        await first.until_event("up")
        async with trunkline("up", "--json", cwd=tmp_path, env=env) as second:
            assert await second.ended() == 2
        assert second.errors.startswith("error: a stack already runs here")


async def test_a_setting_a_service_refuses_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    env = environment(EDGE_MAX_CALL="3")
    async with trunkline("up", "--json", cwd=tmp_path, env=env) as stack:
        children = stack.children
        assert await stack.ended() == 2
        assert gone(children)
    complaints = [line for line in stack.errors.splitlines() if line.startswith("error: ")]
    assert complaints == ["error: edge-1: EDGE_MAX_CALL is not a setting of this service; did you mean EDGE_MAX_CALLS?"]
    assert "Traceback" not in stack.errors


async def test_a_call_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    async with trunkline("call", cwd=tmp_path, env=environment()) as call:
        assert await call.ended() == 2
    assert call.errors == "error: no stack is running here: start one with `make up` (or `trunkline up`)\n"
