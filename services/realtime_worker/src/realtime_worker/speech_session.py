"""One open speech session: its socket, its codec, and whoever listens."""

import asyncio
import ssl
import time
from typing import Literal

from common.errors import TrunklineError, UpstreamRejected, UpstreamThrottled, UpstreamUnavailable
from realtime_worker import connection
from realtime_worker.backends.port import Backend
from talker.port import (
    Configure,
    ErrorReported,
    GarbageReceived,
    Listener,
    ProviderError,
    SessionClosed,
    SessionConfigured,
    SessionOpened,
    Severity,
    SpeechCommand,
    SpeechEvent,
)


class SpeechSession:
    """Events wait in order until somebody listens; then they come as calls, straight from the socket."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.provider = backend.provider
        self.capabilities = backend.capabilities
        self._decode = backend.decode
        self._append = backend.append
        self._connection: connection.Connection | None = None
        self._waiting: asyncio.Queue[SpeechEvent] = asyncio.Queue()
        self._listener: Listener = self._waiting.put_nowait
        self.session_id = ""
        """The provider's name for it."""
        self.opened_at = time.monotonic()
        """When its socket was opened: the provider counts its age from there, also while it waits for a call."""

    async def connect(self, model: str, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        """Open the socket. Raises a `TrunklineError`."""
        url, headers = self._backend.url(model), self._backend.headers()
        try:
            self._connection = await connection.connect(self, url, headers, tls, timeout_s)
            self.opened_at = time.monotonic()
        except connection.UpgradeRefused as error:
            raise as_error(self._backend.refused(error.status)) from error

    async def opened(self) -> None:
        """Wait until the provider says that the session is open. Raises a `TrunklineError`."""
        while not self.session_id:
            self._check(await self._waiting.get())

    async def configure(self, configure: Configure) -> None:
        """Make it this agent, and wait until that is in force. Raises a `TrunklineError`."""
        self.send(configure)
        while not self._check(await self._waiting.get()):
            pass

    def _check(self, event: SpeechEvent) -> bool:
        match event:
            case SessionOpened(session_id):
                self.session_id = session_id
            case SessionConfigured():
                return True
            case SessionClosed(error):
                raise as_error(error)
            case ErrorReported(error, about) if about == "configure" or error.ends_session:
                raise as_error(error)
        return False

    def listen(self, listener: Listener) -> None:
        """Give every event to `listener` from now on, those that waited first."""
        self._listener = listener
        while not self._waiting.empty():
            listener(self._waiting.get_nowait())

    def hold(self) -> None:
        """Let events wait again."""
        self._listener = self._waiting.put_nowait

    def send(self, command: SpeechCommand) -> None:
        """Tell the session something."""
        if self._connection is not None:
            self._connection.send(self._backend.encode(command))

    def send_audio(self, pcmu: bytes) -> bool:
        """Caller audio; the hot path. False if it was dropped, because the provider does not take it in time."""
        socket = self._connection
        if socket is None or socket.is_congested:
            return False
        socket.send(self._append(pcmu))
        return True

    def press(self, digits: str) -> None:
        """A speech model has no keys; whoever follows the call's facts may tell it."""

    def close(self) -> None:
        """End it; no event follows."""
        if self._connection is not None:
            self._connection.close()

    # --- called by the connection -------------------------------------------------------------------------------------

    def on_message(self, message: bytes) -> None:
        """A whole text message."""
        event = self._decode(message)
        if event is not None:
            self._listener(event)

    def on_garbage(self, kind: Literal["binary", "oversized"]) -> None:
        """A message that was dropped."""
        self._listener(GarbageReceived(kind))

    def on_closed(self, close_code: int) -> None:
        """The peer closed or the network failed."""
        self._listener(SessionClosed(self._backend.closed(close_code), close_code))


def as_error(error: ProviderError) -> TrunklineError:
    """A provider's error as ours, for a session that cannot be had."""
    match error.severity:
        case Severity.THROTTLED:
            return UpstreamThrottled(f"the speech provider limits us: {error.code}")
        case Severity.REJECTED | Severity.REFUSED:
            return UpstreamRejected(f"the speech provider refuses us: {error.code}")
        case _:
            return UpstreamUnavailable(f"the speech provider broke off: {error.code}")
