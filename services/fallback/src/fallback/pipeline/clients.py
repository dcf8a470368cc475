"""The SDK's clients, one for each endpoint of the pipeline, shared by all calls of the process."""

from typing import Final

import openai
from openai import AsyncOpenAI

from common.pipeline import StageEndpoint

_CONNECT_WITHIN_S: Final = 1.0
"""A caller waits: an endpoint that does not even take the connection is not worth more."""
_NO_KEY: Final = "none"
"""What servers without keys are sent: the SDK insists on one."""


class Clients:
    """Made when first asked for; retries are ours, never the SDK's."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}

    def of(self, endpoint: StageEndpoint) -> AsyncOpenAI:
        """The client of this endpoint."""
        key = endpoint.api_key.get_secret_value() if endpoint.api_key is not None else _NO_KEY
        if (endpoint.base_url, key) not in self._clients:
            limit_s = max(endpoint.timeout_s, 10.0)
            self._clients[endpoint.base_url, key] = AsyncOpenAI(
                base_url=endpoint.base_url,
                api_key=key,
                max_retries=0,
                timeout=openai.Timeout(limit_s, connect=_CONNECT_WITHIN_S),
            )
        return self._clients[endpoint.base_url, key]

    async def close(self) -> None:
        """End every connection."""
        for client in self._clients.values():
            await client.close()
