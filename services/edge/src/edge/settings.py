"""The edge's settings."""

import re
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator

from common.settings import Port, ServiceSettings

PREFIX = "EDGE_"

_PUBLIC_BASE_URL: Final = re.compile(
    r"https?://(?:[^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/[^\s?#]*)?"
)


class EdgeSettings(ServiceSettings):
    """Read from the environment; each field is the variable of its name in capitals."""

    public_base_url: str = Field(description="Where the carrier reaches us, e.g. https://voice.example.com")
    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-f]{32}$", description="The account whose calls we take")
    twilio_auth_token: SecretStr = Field(min_length=16, description="Signs Twilio's requests, and our stream tokens")
    twilio_shared_key: SecretStr | None = Field(None, description="Secret of Twilio's SharedKey signatures (SHA-256)")

    edge_host: str = Field("0.0.0.0", description="Address of the public port")  # noqa: S104 - carriers come from anywhere
    edge_port: Port = Field(8080, description="The public port: webhooks and media")
    edge_ops_port: Port = Field(9101, description="Port of /livez, /readyz and /metrics")
    edge_agent_profiles: Path = Field(Path("agents"), description="Directory of agent profiles (YAML)")
    edge_max_calls: int = Field(200, ge=1, le=10_000, description="Calls one edge carries")
    edge_call_records: Path | None = Field(None, description="File that gets one JSON line per ended call")
    edge_drain_deadline_s: float = Field(3900, ge=0, description="Longest wait for running calls after SIGTERM")
    edge_unauthenticated_sockets: int = Field(500, ge=1, description="Sockets that may wait for their `start` message")

    @field_validator("public_base_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        address = _PUBLIC_BASE_URL.fullmatch(value)
        if address is None or not 0 < int(address["port"] or 443) < 65_536:
            raise ValueError("give an http:// or https:// address without query, e.g. https://voice.example.com")
        return value.rstrip("/")

    @property
    def media_url(self) -> str:
        """The media socket as the carrier dials it: `https` gives `wss`, `http` (local peers) gives `ws`."""
        return f"ws{self.public_base_url.removeprefix('http')}/twilio/media"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        keys = (self.twilio_auth_token, self.twilio_shared_key)
        return tuple(key.get_secret_value() for key in keys if key is not None)

    def url(self, path: Literal["/twilio/voice", "/twilio/resume", "/twilio/stream-status"]) -> str:
        """One of our webhooks as the carrier dials it."""
        return f"{self.public_base_url}{path}"
