"""The edge's settings."""

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from common.flags import Flags
from common.settings import Port, Prefixes, ServiceSettings

PREFIX: Final = Prefixes(("EDGE_", "REALTIME_"), others=("REALTIME_WORKER_",))

_PUBLIC_BASE_URL: Final = re.compile(
    r"https?://(?:[^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/[^\s?#]*)?"
)


class EdgeSettings(ServiceSettings):
    """Read from the environment; each field is the variable of its name in capitals."""

    public_base_url: str = Field(description="Where the carrier reaches us, e.g. https://voice.example.com")
    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-f]{32}$", description="The account whose calls we take")
    twilio_auth_token: SecretStr = Field(min_length=16, description="Signs Twilio's requests, and our stream tokens")
    twilio_shared_key: SecretStr | None = Field(None, description="Secret of Twilio's SharedKey signatures (SHA-256)")
    twilio_api_base_url: str = Field(
        "https://api.twilio.com", pattern=r"^https?://[^\s?#]+$", description="Twilio's REST API, for EDGE_REST_RESCUE"
    )
    twilio_api_key_sid: str | None = Field(
        None, pattern=r"^SK[0-9a-f]{32}$", description="API key for the REST API; without one the auth token is used"
    )
    twilio_api_key_secret: SecretStr | None = Field(None, description="Secret of that API key")

    edge_host: str = Field("0.0.0.0", description="Address of the public port")  # noqa: S104 - carriers come from anywhere
    edge_port: Port = Field(8080, description="The public port: webhooks and media")
    edge_ops_port: Port = Field(9101, description="Port of /livez, /readyz and /metrics")
    edge_agent_profiles: Path = Field(Path("agents"), description="Directory of agent profiles (YAML)")
    edge_max_calls: int = Field(
        200, ge=1, le=10_000, description="Calls one edge carries; running calls of lost edges may take 10 % more"
    )
    edge_call_records: Path | None = Field(None, description="File that gets one JSON line per ended call")
    edge_drain_deadline_s: float = Field(3900, ge=0, description="Longest wait for running calls after SIGTERM")
    edge_drain_moves_calls: bool = Field(
        False, description="After SIGTERM, re-attach the running calls elsewhere at quiet moments instead of waiting"
    )
    edge_reattach_within_s: float = Field(
        15, ge=1, le=120, description="How long a call whose stream broke is kept for the carrier to come back"
    )
    edge_rest_rescue: bool = Field(
        False, description="Bring calls of a lost edge back by Twilio's REST API when they do not come by themselves"
    )
    edge_unauthenticated_sockets: int = Field(500, ge=1, description="Sockets that may wait for their `start` message")

    realtime_enabled: bool = Field(True, description="False: new calls start on the fallback pipeline")
    realtime_rollout_percentage: int = Field(
        100, ge=0, le=100, description="Calls of a hundred that start in realtime; the others on the fallback pipeline"
    )
    realtime_fallback_enabled: bool = Field(True, description="False: no call goes to the fallback service")

    @field_validator("public_base_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        address = _PUBLIC_BASE_URL.fullmatch(value)
        if address is None or not 0 < int(address["port"] or 443) < 65_536:
            raise ValueError("give an http:// or https:// address without query, e.g. https://voice.example.com")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _whole_api_key(self) -> Self:
        if (self.twilio_api_key_sid is None) != (self.twilio_api_key_secret is None):
            raise ValueError("TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET: give both or neither")
        return self

    @model_validator(mode="after")
    def _some_talkers(self) -> Self:
        if not self.realtime_enabled and not self.realtime_fallback_enabled:
            raise ValueError("REALTIME_ENABLED and REALTIME_FALLBACK_ENABLED: one of them must be true")
        return self

    @property
    def first_flags(self) -> Flags:
        """What counts as long as nobody has set a flag on the bus."""
        return Flags(
            is_realtime_enabled=self.realtime_enabled,
            rollout_percent=self.realtime_rollout_percentage,
            is_fallback_enabled=self.realtime_fallback_enabled,
        )

    @property
    def rest_credentials(self) -> tuple[str, str]:
        """User and password of Twilio's REST API."""
        if self.twilio_api_key_sid is not None and self.twilio_api_key_secret is not None:
            return self.twilio_api_key_sid, self.twilio_api_key_secret.get_secret_value()
        return self.twilio_account_sid, self.twilio_auth_token.get_secret_value()

    @property
    def media_url(self) -> str:
        """The media socket as the carrier dials it: `https` gives `wss`, `http` (local peers) gives `ws`."""
        return f"ws{self.public_base_url.removeprefix('http')}/twilio/media"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        keys = (self.twilio_auth_token, self.twilio_shared_key, self.twilio_api_key_secret)
        return tuple(key.get_secret_value() for key in keys if key is not None)

    def url(
        self,
        path: Literal[
            "/twilio/voice",
            "/twilio/resume",
            "/twilio/stream-status",
            "/twilio/whisper",
            "/twilio/transfer-status",
            "/twilio/transferred",
        ],
    ) -> str:
        """One of our webhooks as the carrier dials it."""
        return f"{self.public_base_url}{path}"
