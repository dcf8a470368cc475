"""A talker stand-in as a process of its own, so that it can be killed, frozen, or blocked in its loop."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import nats

from fakes.talker import Talker

_TESTS = Path(__file__).parents[1]


@dataclass
class TalkerProcess:
    """The process as a test sees it."""

    process: asyncio.subprocess.Process
    talker_id: str

    def freeze(self) -> None:
        """Stop it in its tracks: its socket stays open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        await self.process.wait()

    async def block(self, seconds: float) -> None:
        """Block its loop; returns once that is over."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n".encode())
        await self.says("blocked")

    async def says(self, word: str) -> None:
        """Wait for its next line, which must be `word`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            line = await self.process.stdout.readline()
        assert line.decode().strip() == word, f"the talker process said {line!r}"


@contextlib.asynccontextmanager
async def talker_process(url: str, talker_id: str) -> AsyncIterator[TalkerProcess]:
    """Runs the process on the bus at `url`, with the manners "talks"; killed with the context."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fakes.talker_process", url, talker_id),
        cwd=_TESTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    talker = TalkerProcess(process, talker_id)
    try:
        await talker.says("ready")
        yield talker
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _serve(url: str, talker_id: str) -> None:
    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0, ping_interval=1)
    await Talker(client, talker_id).start()
    _say("ready")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        time.sleep(float(line))  # noqa: ASYNC251 - the fault this process is for
        _say("blocked")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
