"""The supervisor with real processes: small stand-ins that listen, die, refuse or will not end."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from fakes.nats import free_port
from trunkline.stack.probes import HttpProbe, TcpProbe, is_ready
from trunkline.stack.process import ProcessSpec
from trunkline.stack.supervision import AnnounceMisconfigured, AnnounceRestart, Role
from trunkline.stack.supervisor import Announcement, Supervisor

LISTEN = """
import signal, socket, sys
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    listener.accept()[0].close()
"""
REFUSE = "import sys; print('error: EDGE_PORT: wrong'); sys.exit(2)"


def listening(name: str, role: Role, manner: str = "willing") -> ProcessSpec:
    port = free_port()
    command = (sys.executable, "-c", LISTEN, str(port), manner)
    return ProcessSpec(name, role, command, dict(os.environ), TcpProbe(port))


class Watch:
    """What a supervisor announced and what its processes printed."""

    def __init__(self) -> None:
        self.announced: list[Announcement] = []
        self.lines: list[tuple[str, str]] = []

    def supervisor(self, *specs: ProcessSpec) -> Supervisor:
        return Supervisor(specs, self.announced.append, lambda name, line: self.lines.append((name, line)))


@contextlib.asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(supervisor.run())
    try:
        yield task
    finally:
        supervisor.stop()
        supervisor.stop()
        async with asyncio.timeout(10):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_killed_process_is_restarted_and_that_is_announced() -> None:
    watch = Watch()
    supervisor = watch.supervisor(listening("nats", Role.INFRASTRUCTURE), listening("worker-1", Role.WORKER))
    async with running(supervisor):
        await asyncio.wait_for(supervisor.wait_ready(), 15)
        first = supervisor.pids()["worker-1"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.pids().get("worker-1") not in (None, first))
        await until(lambda: supervisor.ready == {"nats", "worker-1"})
    restarts = [one for one in watch.announced if isinstance(one, AnnounceRestart)]
    assert [(one.name, one.code) for one in restarts] == [("worker-1", -signal.SIGKILL)]
    assert watch.lines.count(("worker-1", "listening")) == 2


async def test_one_stop_drains_and_leaves_no_process() -> None:
    watch = Watch()
    supervisor = watch.supervisor(listening("worker-1", Role.WORKER), listening("edge-1", Role.EDGE))
    async with running(supervisor) as task:
        await asyncio.wait_for(supervisor.wait_ready(), 15)
        pids = supervisor.pids().values()
        supervisor.stop()
        await asyncio.wait_for(task, 10)
        assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_a_second_stop_ends_what_will_not_drain() -> None:
    supervisor = Watch().supervisor(listening("edge-1", Role.EDGE, "stubborn"))
    async with running(supervisor) as task:
        await asyncio.wait_for(supervisor.wait_ready(), 15)
        supervisor.stop()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.3)
        supervisor.stop()
        await asyncio.wait_for(task, 10)


async def test_a_process_that_refuses_its_settings_ends_the_stack() -> None:
    watch = Watch()
    refusing = ProcessSpec("edge-1", Role.EDGE, (sys.executable, "-c", REFUSE), dict(os.environ), TcpProbe(1))
    supervisor = watch.supervisor(listening("worker-1", Role.WORKER), refusing)
    await asyncio.wait_for(supervisor.run(), 15)
    assert supervisor.is_misconfigured
    assert AnnounceMisconfigured("edge-1") in watch.announced
    assert ("edge-1", "error: EDGE_PORT: wrong") in watch.lines


async def test_a_program_that_is_not_there_is_said_and_tried_again() -> None:
    watch = Watch()
    missing = ProcessSpec("nats", Role.INFRASTRUCTURE, ("/nowhere/nats-server",), {}, TcpProbe(1))
    supervisor = watch.supervisor(missing)
    async with running(supervisor):
        await until(lambda: any(isinstance(one, AnnounceRestart) for one in watch.announced))
    assert watch.lines[0] == ("nats", "error: cannot start /nowhere/nats-server: No such file or directory")


async def test_a_line_too_long_to_hold_is_skipped_and_the_next_one_read() -> None:
    watch = Watch()
    code = "print('x' * 3_000_000); print('short', flush=True); import time; time.sleep(60)"
    spec = ProcessSpec("edge-1", Role.EDGE, (sys.executable, "-c", code), dict(os.environ), TcpProbe(1))
    supervisor = watch.supervisor(spec)
    async with running(supervisor):
        await until(lambda: ("edge-1", "short") in watch.lines)


PARENT = """
import asyncio, os, sys
from trunkline.stack.process import Process
async def main():
    child = await Process.start((sys.executable, "-c", "import time; time.sleep(60)"), dict(os.environ))
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_no_child_survives_the_sudden_death_of_its_parent() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    await parent.wait()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("answer", "ready"), [(b"HTTP/1.1 200 OK\r\n\r\n", True), (b"HTTP/1.1 503 No\r\n\r\n", False), (b"", False)]
)
async def test_readiness_is_a_200_from_readyz(answer: bytes, ready: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readline()).startswith(b"GET /readyz ")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert await is_ready(HttpProbe(server.sockets[0].getsockname()[1])) is ready


async def test_nobody_listening_is_not_ready() -> None:
    assert not await is_ready(HttpProbe(free_port()))
