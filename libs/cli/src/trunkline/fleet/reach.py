"""Where the running bus is, and a connection to it for the length of one command."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from common.bus.connection import Bus
from common.errors import ConfigError, UpstreamUnavailable
from trunkline.stack import environment, state_file

_CONNECT_WITHIN_S: Final = 5.0


def nats_url(given: str | None) -> str:
    """The one given, else that of the stack that runs here, else `NATS_URL`. Raises `ConfigError` if there is none."""
    if given:
        return given
    if state := state_file.running():
        return state.nats_url
    values = environment.read(os.environ, Path(".env"), is_required=False)
    if url := values.get("NATS_URL"):
        return url
    raise ConfigError("no stack is running here: start one with `make up`, or say where it is with --nats-url")


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Bus]:
    """A connection to the servers of `url` (comma-separated). Raises `UpstreamUnavailable` if none answers."""
    bus = Bus([server.strip() for server in url.split(",") if server.strip()], "trunkline-cli")
    try:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                await bus.connect()
        except TimeoutError:
            raise UpstreamUnavailable(
                f"NATS at {_shown(url)} does not answer: see that it runs, or say where it is with --nats-url"
            ) from None
        yield bus
    finally:
        with contextlib.suppress(OSError):
            await bus.close()


def _shown(url: str) -> str:
    """The servers without what a URL may hold of credentials."""
    return ", ".join(server.strip().rpartition("@")[2] or "?" for server in _bare(url))


def _bare(url: str) -> list[str]:
    return [urlsplit(each if "://" in each else f"nats://{each.strip()}").netloc for each in url.split(",")]
