"""Whether a process is ready: its `/readyz` answers 200, or its port accepts a connection."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

_TIMEOUT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Ready when `GET /readyz` on this local port answers 200."""

    port: int


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """Ready when this local port accepts a connection."""

    port: int


Probe: TypeAlias = HttpProbe | TcpProbe


async def is_ready(probe: Probe) -> bool:
    """Ask once. False as well when nobody answers within a second."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            match probe:
                case TcpProbe(port):
                    await _exchange(port, b"")
                    return True
                case HttpProbe(port):
                    request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                    return (await _exchange(port, request)).split(b" ", 2)[1:2] == [b"200"]
                case _:
                    assert_never(probe)
    except (OSError, TimeoutError):
        return False


async def _exchange(port: int, request: bytes) -> bytes:
    """Send `request` and return the first line of the answer; without a request only connect."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if not request:
            return b""
        writer.write(request)
        return await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
