"""What every leg offers the call, and what it tells it: the one shape all carriers are turned into."""

from typing import Protocol

from common.messages.commands import EndReason


class Leg(Protocol):
    """The phone side of one call, as the call uses it. Nothing here waits."""

    @property
    def is_alive(self) -> bool:
        """True while the carrier is there and sends."""
        ...

    def send_audio(self, pcmu: bytes, mark: str) -> None:
        """Queue audio at the carrier, followed by a mark that comes back once it was played."""
        ...

    def clear(self) -> None:
        """Throw away what the carrier has not played yet."""
        ...

    def close(self) -> None:
        """Give the call back to the carrier."""
        ...


class LegEvents(Protocol):
    """What a leg tells its call, at once and in order."""

    def on_caller_audio(self, timestamp_ms: int, pcmu: bytes) -> None:
        """The caller's audio; the timestamp counts from the start of this stream."""
        ...

    def on_mark(self, name: str) -> None:
        """A mark came back."""
        ...

    def on_digit(self, digit: str) -> None:
        """The caller pressed a key."""
        ...

    def on_leg_down(self, reason: EndReason) -> None:
        """The leg is gone; nothing follows."""
        ...
