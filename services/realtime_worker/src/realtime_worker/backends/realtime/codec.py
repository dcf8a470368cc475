"""The Realtime adapter of the speech-session port."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from realtime_worker.backends.realtime import client_events, error_codes, server_events
from talker import port

CAPABILITIES: Final = port.Capabilities(
    emits_interruptions=True,
    supports_truncate=True,
    paced_output=False,
    needs_continuous_input=False,
    mutable_instructions=True,
    answers_checks=True,
)


def socket_url(base_url: str) -> str:
    """The Realtime endpoint below an API base URL, derived as the `openai` SDK does."""
    parts = urlsplit(base_url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + "/realtime", "", ""))


class RealtimeCodec:
    """Pure, and of one session: the numbers of its commands are the only state."""

    capabilities = CAPABILITIES

    def __init__(self, base_url: str, api_key: str, provider: str = "openai") -> None:
        """`provider`: what the endpoint is called in metrics and outcomes."""
        self.provider = provider
        self._url = socket_url(base_url)
        self._key = api_key
        self._events = client_events.ClientEvents()

    def url(self, model: str) -> str:
        """Where to open a session."""
        return f"{self._url}?model={quote(model, safe='')}"

    def headers(self) -> Mapping[str, str]:
        """The key. No beta header: the beta shape is gone and asking for it fails the handshake."""
        return {"Authorization": f"Bearer {self._key}", "User-Agent": "trunkline-realtime-worker"}

    decode = staticmethod(server_events.decode)
    append = staticmethod(client_events.append)
    closed = staticmethod(error_codes.of_close)
    refused = staticmethod(error_codes.of_http_status)

    def encode(self, command: port.SpeechCommand) -> bytes:
        """One command as it travels."""
        return self._events.encode(command)
