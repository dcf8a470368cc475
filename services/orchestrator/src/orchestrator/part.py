"""What the orchestrator is made of: parts that run side by side in one process, each of which can fail by itself."""

from typing import Protocol


class Part(Protocol):
    """Started in order, drained in order, closed in reverse."""

    name: str

    async def start(self) -> None:
        """Once the bus is connected: subscribe. Raises `ConfigError` when the operator must act."""
        ...

    async def run(self) -> None:
        """The work, until cancelled. A database or a bus that is away is waited for, not a reason to end."""
        ...

    async def drain(self) -> None:
        """Take nothing new; return when what runs has ended."""
        ...

    async def close(self) -> None:
        """Release everything; after `run` was cancelled."""
        ...
