"""A replica is killed while a caller speaks: what was said is a message when another one starts."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from common import wav
from common.left_messages import read_all
from fallback.messages import Messages
from integration.fallback.recorder import SECONDS

TESTS = Path(__file__).parents[2]


async def test_a_message_survives_the_kill_of_the_replica_that_recorded_it(tmp_path: Path) -> None:
    recorder = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "integration.fallback.recorder", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert recorder.stdout is not None
    message_id = (await recorder.stdout.readline()).decode().strip()
    store = Messages(tmp_path, 100)
    assert await store.salvage() == (), "it is still being recorded"
    recorder.send_signal(signal.SIGKILL)
    assert await recorder.wait() == -signal.SIGKILL

    (message,) = await store.salvage()
    assert (message.message_id, message.duration_ms) == (message_id, SECONDS * 1_000)
    audio = wav.read((tmp_path / f"{message_id}.wav").read_bytes())
    assert audio == b"".join(bytes([second]) * 8_000 for second in range(SECONDS))
    assert read_all(tmp_path).messages == (message,)
    assert await store.salvage() == ()
