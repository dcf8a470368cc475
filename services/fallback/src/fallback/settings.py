"""The settings of the fallback service."""

from pathlib import Path

from pydantic import Field

from common.errors import ConfigError
from common.left_messages import DEFAULT_DIRECTORY
from common.settings import Port, ServiceSettings
from fallback.core.thresholds import Thresholds

PREFIX = "FALLBACK_"


class FallbackSettings(ServiceSettings):
    """Read once, in `__main__`."""

    fallback_breaker_window_s: float = Field(10.0, description="Attempts of the last seconds a breaker decides by")
    fallback_breaker_failed_percent: float = Field(50.0, description="Failed attempts that open it, in percent")
    fallback_breaker_attempts_at_least: int = Field(10, description="Attempts without which that means nothing")
    fallback_breaker_connects_in_a_row: int = Field(5, description="Failed connects in a row that open it")
    fallback_breaker_ready_s: float = Field(3.0, description="95th percentile of session opening that opens it")
    fallback_breaker_sessions_at_least: int = Field(20, description="Sessions without which that means nothing")
    fallback_breaker_open_s: float = Field(5.0, description="First wait until the provider is tried again")
    fallback_breaker_open_at_most_s: float = Field(60.0, description="Each further wait is twice as long, up to this")
    fallback_breaker_probes: int = Field(5, description="Sessions without a caller that must work, one by one")
    fallback_breaker_probe_within_s: float = Field(5.0, description="A probe that takes longer has failed")
    fallback_breaker_ramp_percent: str = Field("10,25,50,100", description="Steps of new calls on the way back")
    fallback_breaker_ramp_step_s: float = Field(60.0, description="Length of each step")
    fallback_breaker_dwell_s: float = Field(10.0, description="A breaker changes at most twice in so long")
    fallback_prompts: Path = Field(Path("agents/prompts"), description="Directory of prompts, a folder each")
    fallback_messages: Path = Field(DEFAULT_DIRECTORY, description="Directory of the messages callers leave")
    fallback_messages_max_mb: int = Field(1024, ge=1, description="Room for them; then no message is taken")
    fallback_ops_port: Port = Field(9103, description="Port of /livez, /readyz and /metrics; 0: any")

    def thresholds(self) -> Thresholds:
        """What breakers decide by. Raises `ConfigError` naming the values that make no sense."""
        try:
            ramp = tuple(float(step) / 100 for step in self.fallback_breaker_ramp_percent.split(","))
        except ValueError:
            raise ConfigError(
                f"FALLBACK_BREAKER_RAMP_PERCENT: {self.fallback_breaker_ramp_percent!r} is no list of percentages, "
                "such as 10,25,50,100"
            ) from None
        try:
            return Thresholds(
                window_s=self.fallback_breaker_window_s,
                failed_share=self.fallback_breaker_failed_percent / 100,
                attempts_at_least=self.fallback_breaker_attempts_at_least,
                connects_failed_in_a_row=self.fallback_breaker_connects_in_a_row,
                ready_p95_s=self.fallback_breaker_ready_s,
                sessions_at_least=self.fallback_breaker_sessions_at_least,
                open_s=self.fallback_breaker_open_s,
                open_at_most_s=self.fallback_breaker_open_at_most_s,
                probes_to_pass=self.fallback_breaker_probes,
                probe_within_s=self.fallback_breaker_probe_within_s,
                ramp=ramp,
                ramp_step_s=self.fallback_breaker_ramp_step_s,
                dwell_s=self.fallback_breaker_dwell_s,
            )
        except ConfigError as error:
            raise ConfigError(f"FALLBACK_BREAKER_…: {error}") from None
