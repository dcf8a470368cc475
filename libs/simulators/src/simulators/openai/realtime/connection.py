"""One WebSocket: reads, feeds the session, performs its commands."""

import asyncio
import logging
import time
from collections import deque
from typing import Final

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from simulators.openai.faults.book import Entry
from simulators.openai.realtime.commands import Close, Command, Incoming, Send, SendRaw, Tick
from simulators.openai.realtime.record import Life
from simulators.openai.realtime.session import RealtimeSession

PING_EVERY_S: Final = 20.0
"""The real API pings its clients so often."""
CUT: Final = 1006
log = logging.getLogger(__name__)
_CLOSING: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


class Connection:
    """The shell of a session: `run` until the socket is closed."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, session: RealtimeSession) -> None:
        self.session = session
        self.life = Life(time.monotonic())
        self._socket = socket
        self._request = request
        self._commands: deque[Command] = deque()
        self._has_commands = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None

    async def run(self, faults: list[Entry]) -> None:
        """Serve the session until one side closes."""
        self._accept(self.session.start(faults, self.life.opened_monotonic_s))
        tasks = [asyncio.create_task(step) for step in (self._read(), self._write(), self._ping())]
        try:
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._disarm()
            self._note_end()  # first: aiohttp cancels us once more when the connection is lost
            for task in tasks:
                task.cancel()
            _report(await asyncio.gather(*tasks, return_exceptions=True))

    def feed(self, incoming: Incoming) -> None:
        """Something happens to the session."""
        commands = self.session.feed(incoming, time.monotonic())
        # Audio that answers nothing moves no deadline: the common case ends here.
        if commands or not isinstance(incoming, str):
            self._accept(commands)

    def _accept(self, commands: list[Command]) -> None:
        if commands:
            self._commands.extend(commands)
            self._has_commands.set()
        self._arm()

    async def _read(self) -> None:
        while True:
            message: WSMessage = await self._socket.receive()
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    self.feed(message.data)
                case WSMsgType.PING:
                    if not self.session.is_dark:
                        await self._socket.pong(message.data)
                case kind if kind in _CLOSING:
                    return

    async def _write(self) -> None:
        while True:
            await self._has_commands.wait()
            self._has_commands.clear()
            while self._commands:
                if not await self._perform(self._commands.popleft()):
                    return

    async def _perform(self, command: Command) -> bool:
        """Carry out one command; False if the socket is closed after it."""
        match command:
            case Send(event):
                await self._socket.send_frame(msgspec.json.encode(event), WSMsgType.TEXT)
            case SendRaw(str() as data):
                await self._socket.send_frame(data.encode(), WSMsgType.TEXT)
            case SendRaw(bytes() as data):
                await self._socket.send_frame(data, WSMsgType.BINARY)
            case Close(code, reason):
                await self._close(code, reason)
                return False
        return True

    async def _close(self, code: int, reason: str) -> None:
        self.life.close_code, self.life.close_reason, self.life.closed_by = code, reason, "simulator"
        if code == CUT:
            if self._request.transport is not None:
                self._request.transport.abort()
            return
        await self._socket.close(code=code, message=reason.encode())

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            if not self.session.is_dark:
                await self._socket.ping(b"ping")

    def _arm(self) -> None:
        """Wake up when the session wants to know that time has passed."""
        deadline = self.session.next_deadline()
        if deadline == self._armed_for:
            return
        self._disarm()
        if deadline is not None:
            self._armed_for = deadline
            wait_s = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed_for = None

    def _on_timer(self) -> None:
        self._timer = self._armed_for = None
        self.feed(Tick())

    def _note_end(self) -> None:
        self.life.closed_monotonic_s = time.monotonic()
        if self.life.closed_by is None:
            self.life.closed_by = "client"
            self.life.close_code = self._socket.close_code or CUT


def _report(outcomes: list[BaseException | None]) -> None:
    """A bug of the simulator must not look like a hang-up. A peer that is gone while we send is no bug."""
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
            log.error("the simulator failed", exc_info=outcome)
