"""One runner for every service: start, ready, drain, stop; and what each signal means."""

import asyncio
import ctypes
import gc
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any, Protocol, TypeVar

import uvicorn
import uvloop

from common import logs, metrics
from common.ending import end_tasks
from common.errors import ConfigError
from common.health import ops_app
from common.http_server import HttpServer, listen
from common.settings import ServiceSettings

log = logs.get("lifecycle")

S = TypeVar("S", bound=ServiceSettings)

EXIT_CONFIG = 2


class Service(Protocol):
    """What a service gives the runner."""

    name: str

    def missing(self) -> str | None:
        """None when ready for work, else what is missing, in words."""
        ...

    async def start(self) -> None:
        """Acquire everything. Raises `ConfigError` when the operator must act."""
        ...

    async def drain(self) -> None:
        """Take nothing new; return when what runs has ended."""
        ...

    async def stop(self) -> None:
        """Release everything `start` acquired."""
        ...


def run(load: Callable[[], S], build: Callable[[S], Service], *, ops_port: Callable[[S], int]) -> None:
    """The life of one process; does not return. Exit 0 after a drain, 2 with one line when a setting is wrong."""
    try:
        settings = load()
        service = build(settings)
        logs.configure(service.name, settings.log_level, settings.log_format, settings.secrets)
        uvloop.run(_live(service, ops_port(settings)))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the one line the operator needs, whatever the log style
        sys.exit(EXIT_CONFIG)


def begin_drain() -> None:
    """Drain and end, as after SIGTERM: for an order that came over the bus."""
    signal.raise_signal(signal.SIGTERM)


async def _live(service: Service, ops_port: int) -> None:
    signals = _Signals()
    metrics.BUILD_INFO.info({"version": version("trunkline-common"), "service": service.name})
    ops = HttpServer(
        uvicorn.Config(ops_app(service.missing), log_config=None, lifespan="off", access_log=False),
        listen("0.0.0.0", ops_port, f"{service.name.upper()}_OPS_PORT"),  # noqa: S104 - probes come from other hosts
    )
    await ops.start()
    watch = asyncio.create_task(watch_loop(service.name))
    try:
        if await signals.interrupt(service.start()):
            return
        gc.freeze()  # what exists now lives as long as the process: the collector need not walk it between calls
        log.info("ready", extra=logs.fields(ops_port=ops.port))
        await signals.wait()
        metrics.DRAINING.labels(service.name).set(1)
        log.info("draining; a second signal ends at once")
        await signals.interrupt(service.drain())
    finally:
        watch.cancel()
        await service.stop()
        await ops.stop()
        log.info("stopped")
        signals.ignore()


class _Signals:
    """SIGTERM and SIGINT as something to wait for, each once."""

    _NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        """Not `add_signal_handler`: taking that away again puts the default action back, and be it for a moment."""
        self._arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in self._NUMBERS:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._arrived.set))

    def ignore(self) -> None:
        """From now on a signal changes nothing.

        An interpreter that ends puts the default action back, unless a signal is ignored: one in its last moments would
        turn a clean end into exit code -15. The system is told first, by itself: Python would find a signal that came
        just before without a handler, and print a traceback.
        """
        tell_system = ctypes.CDLL(None).signal
        tell_system.argtypes, tell_system.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        for number in self._NUMBERS:
            signal.signal(number, lambda *_: None)
            tell_system(number, signal.SIG_IGN)
            signal.signal(number, signal.SIG_IGN)

    async def wait(self) -> None:
        """Return at the next signal."""
        await self._arrived.wait()
        self._arrived.clear()

    async def interrupt(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run `work` to its end, or cancel it at the next signal. True if a signal came meanwhile."""
        task = asyncio.create_task(work)
        waiting = asyncio.create_task(self.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        came = waiting.done()
        waiting.cancel()
        if task.done():
            await task
            return came
        await end_tasks([task])
        return True


class LoopLag:
    """How late the loop ran when last measured, in seconds."""

    seconds: float = 0.0


async def watch_loop(service: str, period_s: float = 0.1) -> None:
    """Measure how late this loop runs its timers, until cancelled."""
    gauge = metrics.LOOP_LAG.labels(service)
    while True:
        due = time.monotonic() + period_s
        await asyncio.sleep(period_s)
        LoopLag.seconds = max(0.0, time.monotonic() - due)
        gauge.set(LoopLag.seconds)
