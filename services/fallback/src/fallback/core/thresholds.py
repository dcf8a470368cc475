"""The numbers a breaker decides by, and which of them would contradict each other."""

from dataclasses import dataclass

from common.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Defaults by the design, section 8. Raises `ConfigError` for a contradiction, naming both values."""

    window_s: float = 10.0
    failed_share: float = 0.5
    attempts_at_least: int = 10
    connects_failed_in_a_row: int = 5
    ready_p95_s: float = 3.0
    sessions_at_least: int = 20
    """So many ready sessions must lie in the window for their p95 to mean anything."""
    open_s: float = 5.0
    open_at_most_s: float = 60.0
    """Each failed attempt to recover doubles the wait, up to this."""
    probes_to_pass: int = 5
    probe_within_s: float = 5.0
    ramp: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    """Shares of new calls on the way back; after the last the breaker is closed."""
    ramp_step_s: float = 60.0
    dwell_s: float = 10.0
    """In no stretch of this length does the state change more than twice."""

    def __post_init__(self) -> None:
        positive = (
            *("window_s", "attempts_at_least", "connects_failed_in_a_row", "ready_p95_s", "sessions_at_least"),
            *("open_s", "probes_to_pass", "probe_within_s", "ramp_step_s", "dwell_s"),
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must be more than 0")
        if not 0 < self.failed_share <= 1:
            raise ConfigError(f"failed_share is {self.failed_share}: it must be more than 0 and at most 1")
        if self.open_at_most_s < self.open_s:
            raise ConfigError(f"open_at_most_s is {self.open_at_most_s}, less than open_s, which is {self.open_s}")
        steps = ", ".join(f"{step:g}" for step in self.ramp)
        if not self.ramp or self.ramp[-1] != 1 or self.ramp[0] <= 0 or sorted(set(self.ramp)) != list(self.ramp):
            raise ConfigError(f"ramp is {steps or 'empty'}: it must rise from more than 0 to exactly 1")
