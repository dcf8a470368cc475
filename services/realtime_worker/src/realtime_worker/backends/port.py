"""What a speech provider's protocol is turned into: bytes to events, commands to bytes."""

from collections.abc import Mapping
from typing import Protocol

from talker.port import Capabilities, ProviderError, SpeechCommand, SpeechEvent


class Backend(Protocol):
    """One provider's protocol, pure: bytes to events and commands to bytes."""

    provider: str
    capabilities: Capabilities

    def url(self, model: str) -> str:
        """Where to open a session."""
        ...

    def headers(self) -> Mapping[str, str]:
        """What to send with the upgrade; holds the key."""
        ...

    def decode(self, message: bytes) -> SpeechEvent | None:
        """One message of the provider. None: known, and of no interest. Never raises."""
        ...

    def encode(self, command: SpeechCommand) -> bytes:
        """One command as it travels."""
        ...

    def append(self, pcmu: bytes) -> bytes:
        """Caller audio as it travels; the hot path."""
        ...

    def closed(self, close_code: int) -> ProviderError:
        """What this close code means."""
        ...

    def refused(self, http_status: int) -> ProviderError:
        """What this answer to the upgrade means."""
        ...
