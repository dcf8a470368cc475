"""The command line: events, result, recording, exit codes."""

import asyncio
import json
import sys
import wave
from pathlib import Path
from typing import Any

from integration.simulators.twilio.edge import ACCOUNT, TOKEN, Edge, Socket, serve
from simulators.people import recordings

SCRIPT = """
steps:
  - wait_for_agent_speech
  - wait_for_agent_silence: {silence_ms: 300}
  - hangup
"""


async def greet(socket: Socket) -> None:
    await socket.next("start")
    await socket.play(recordings.load("agent-goodbye").pcmu)
    await socket.until_closed()


async def run(edge: Edge, script: Path, *options: str, token: str = TOKEN) -> tuple[int, list[dict[str, Any]], str]:
    """Run the command; return its exit code, its events and what it complained about."""
    command = ["--voice-url", f"{edge.url}/voice", "--account-sid", ACCOUNT, "--auth-token", token]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators.twilio",
        *command,
        "--script",
        str(script),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


async def test_two_calls_leave_events_a_result_and_recordings(tmp_path: Path) -> None:
    script, result, record = tmp_path / "caller.yaml", tmp_path / "out.json", tmp_path / "out.wav"
    script.write_text(SCRIPT, encoding="utf-8")
    async with serve(greet) as edge:
        code, events, complaint = await run(
            edge, script, "--calls", "2", "--events", "--result", str(result), "--record", str(record)
        )
    assert (code, complaint) == (0, "")
    assert events[-1]["event"] == "result"
    assert events[-1] == json.loads(result.read_text(encoding="utf-8"))
    assert len(events[-1]["calls"]) == 2
    assert {event["event"] for event in events} >= {"call_placed", "stream_started", "agent_audible", "hang_up"}
    for number, call in enumerate(events[-1]["calls"], 1):
        with wave.open(str(tmp_path / f"out-{number}.wav")) as file:
            assert abs(file.getnframes() / 8 - call["duration_ms"]) < 60


async def test_a_call_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    script = tmp_path / "caller.yaml"
    script.write_text("steps: [hangup, hangup]", encoding="utf-8")
    async with serve(greet) as edge:
        code, events, complaint = await run(edge, script)
        assert (code, events) == (2, [])
        assert complaint.startswith(f"{script}: steps")
        script.write_text(SCRIPT, encoding="utf-8")
        code, _, complaint = await run(edge, script, token="not the secret")
    assert code == 1
    assert complaint.count("\n") == 1
    assert "HTTP status 403" in complaint
