"""What is measured, and what the two ends of a call tell each other about it."""

import math
from array import array
from dataclasses import dataclass, field

from .stamps import Stamp


def _samples() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Samples:
    """Everything measured in one window, latencies in seconds."""

    uplink_s: "array[float]" = field(default_factory=_samples)
    first_audio_s: "array[float]" = field(default_factory=_samples)
    clear_s: "array[float]" = field(default_factory=_samples)
    frame_late_s: "array[float]" = field(default_factory=_samples)
    frames_sent: int = 0
    frames_received: int = 0
    replies: int = 0
    interruptions: int = 0
    truncations: int = 0


@dataclass(slots=True)
class Window:
    """Only what begins within `opens_at` … `closes_at` is counted; what it leads to may come later."""

    opens_at: float = math.inf
    closes_at: float = math.inf
    samples: Samples = field(default_factory=Samples)

    def holds(self, at: float) -> bool:
        """Whether something that began at this second counts."""
        return self.opens_at <= at < self.closes_at


@dataclass(slots=True)
class CallBoard:
    """One call as both of its ends see it."""

    number: int
    window: Window
    frames_written: int = 0
    newest_frame: int = -1
    heard_bytes: int = 0
    interrupted_at: float | None = None
    untruncated_since: float | None = None
    awaited_reply: int | None = None

    def frame_written(self, now: float, late_s: float) -> None:
        """The caller's end wrote frame `frames_written`, this much after its due time."""
        self.frames_written += 1
        if self.window.holds(now):
            self.window.samples.frames_sent += 1
            self.window.samples.frame_late_s.append(late_s)

    def frame_arrived(self, stamp: Stamp, now: float) -> None:
        """The model's end got a frame; one that comes twice, as replayed audio may, counts once."""
        if stamp.sequence <= self.newest_frame:
            return
        self.newest_frame = stamp.sequence
        if self.window.holds(stamp.at):
            self.window.samples.frames_received += 1
            self.window.samples.uplink_s.append(now - stamp.at)

    def reply_begins(self, number: int, now: float) -> None:
        """The model's end writes the first audio of response `number`."""
        self.awaited_reply = number
        if self.window.holds(now):
            self.window.samples.replies += 1

    def audio_heard(self, stamp: Stamp, now: float) -> None:
        """The caller's end got stamped agent audio."""
        if stamp.sequence != self.awaited_reply:
            return
        self.awaited_reply = None
        if self.window.holds(stamp.at):
            self.window.samples.first_audio_s.append(now - stamp.at)

    def interrupted(self, now: float) -> None:
        """The model's end says the caller speaks while the agent is heard."""
        self.interrupted_at = self.untruncated_since = now
        if self.window.holds(now):
            self.window.samples.interruptions += 1

    def cleared(self, now: float) -> None:
        """The caller's end got `clear`; one that answers no interruption is not measured."""
        began, self.interrupted_at = self.interrupted_at, None
        if began is not None and self.window.holds(began):
            self.window.samples.clear_s.append(now - began)

    def truncated(self) -> None:
        """The model's end got the truncation that an interruption asks for."""
        began, self.untruncated_since = self.untruncated_since, None
        if began is not None and self.window.holds(began):
            self.window.samples.truncations += 1
