"""The smallest service the runner can run; its settings say how it behaves.

In `tests`: `python -m fakes.tiny_service`. As a script it would find `fakes/nats.py` where it wants nats-py.
"""

import asyncio
import os
import sys
import threading
from types import ModuleType
from typing import Literal

from pydantic import Field, SecretStr

from common import lifecycle, logs, settings
from common.bus.connection import Bus
from common.errors import ConfigError
from common.settings import Port, ServiceSettings

log = logs.get("tiny")


class TinySettings(ServiceSettings):
    """Everything a test wants to choose."""

    tiny_ops_port: Port = Field(0, description="Port of /livez, /readyz and /metrics")
    tiny_key: SecretStr = Field(min_length=8, description="A secret it logs, to see that it does not show")
    tiny_start: Literal["at_once", "never", "refuse", "crash"] = Field("at_once", description="How it starts")
    tiny_drain: Literal["at_once", "never"] = Field("at_once", description="How it drains")

    tiny_threads: int = Field(0, description="So many threads run beside the loop: signals may reach them")
    tiny_lingers: bool = Field(False, description="The interpreter takes until the end of its input to go")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        return (self.tiny_key.get_secret_value(),)


class Tiny:
    """A service that says what is done to it."""

    name = "tiny"

    def __init__(self, given: TinySettings) -> None:
        self._settings = given
        self._missing: str | None = "starting"
        self._bus = Bus(given.nats_servers, "tiny")

    def missing(self) -> str | None:
        """What keeps it from being ready."""
        return self._missing

    async def start(self) -> None:
        """As `tiny_start` says."""
        log.info("starting with %s", self._settings.tiny_key.get_secret_value())
        match self._settings.tiny_start:
            case "never":
                await asyncio.Event().wait()
            case "refuse":
                raise ConfigError("TINY_START: refused")
            case "crash":
                raise RuntimeError("a bug")
            case "at_once":
                self._missing = None
        for _ in range(self._settings.tiny_threads):
            threading.Thread(target=threading.Event().wait, daemon=True).start()

    async def drain(self) -> None:
        """As `tiny_drain` says."""
        self._missing = "draining"
        log.info("tiny drains")
        if self._settings.tiny_drain == "never":
            await asyncio.Event().wait()

    async def stop(self) -> None:
        """Release what there is: a bus that may never have been connected."""
        await self._bus.close()
        log.info("tiny stops")
        if self._settings.tiny_lingers:
            sys.modules["lingers"] = _Lingers("lingers")


class _Lingers(ModuleType):
    """Goes with the modules, when the interpreter has long put its own signal handlers away."""

    def __del__(self) -> None:
        os.write(2, b'{"message": "tiny lingers"}\n')
        os.read(0, 1)


if __name__ == "__main__":
    lifecycle.run(lambda: settings.load(TinySettings, "TINY_"), Tiny, ops_port=lambda given: given.tiny_ops_port)
