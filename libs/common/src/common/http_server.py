"""A uvicorn server on a socket we bound, whose signals and end belong to our runner."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

from common.errors import ConfigError

_FINISH_WITHIN_S: Final = 5.0
"""For the requests that run when the server stops."""


def listen(host: str, port: int, setting: str, *, share: bool = False) -> socket.socket:
    """Bind and listen. `share`: let other processes of ours listen on the same port (`SO_REUSEPORT`).

    Raises `ConfigError` naming `setting` when the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{setting}: cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One HTTP server of a process. Plain uvicorn would close live sockets 0.1 s after SIGTERM; this one waits."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        self._server = _Server(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on, also when 0 was asked for."""
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Serve until `stop`. Returns once connections are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)
        if self._task.done():
            await self._task

    def stop_listening(self) -> None:
        """Take no new connections; those that are open go on, and sockets too.

        Where several processes share the port (`listen(share=True)`), the kernel gives new ones to the others. A
        connection it had already given to us, and that we had not accepted, is reset: its peer has to try again.
        """
        for server in self._server.servers:
            server.close()

    async def stop(self) -> None:
        """Close the listener and what is idle; let requests that run finish, but for those that take too long."""
        self._server.should_exit = True
        if self._task is not None:
            _, unfinished = await asyncio.wait({self._task}, timeout=_FINISH_WITHIN_S)
            if unfinished:
                self._cut()
            await self._task
        self._listener.close()

    def _cut(self) -> None:
        """uvicorn would wait for ever for a peer that never sends the rest of its request, or takes no answer."""
        for connection in tuple(self._server.server_state.connections):
            connection.transport.abort()
