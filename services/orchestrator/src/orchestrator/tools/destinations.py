"""Where a name leads when a tool goes there: private neighbourhoods are refused after resolution, not by name."""

import socket
from collections.abc import Collection

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from common import logs, metrics
from orchestrator.core.addresses import is_loopback, is_public

log = logs.get("tools")


class DestinationRefused(OSError):
    """A name led to an address no tool may reach."""


class GuardedResolver(AbstractResolver):
    """Resolves names for tools. What it returns is what is connected to, so a name cannot lead elsewhere later."""

    def __init__(self, private_hosts: Collection[str]) -> None:
        self._private_hosts = frozenset(private_hosts)
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises `DestinationRefused` if any of them is where no tool may go."""
        found = await self._resolver.resolve(host, port, family)
        if not all(self._may_be_reached(host, each["host"]) for each in found):
            metrics.SECURITY_REJECTS.labels("tool_destination").inc()
            log.warning("a tool's host leads to a private address", extra=logs.fields(host=host))
            raise DestinationRefused(host)
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._resolver.close()

    def _may_be_reached(self, host: str, address: str) -> bool:
        return host in self._private_hosts or is_public(address) or (is_loopback(host) and is_loopback(address))
