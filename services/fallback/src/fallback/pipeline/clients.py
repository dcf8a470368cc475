"""The SDK's clients, one for each endpoint of the pipeline, shared by all calls of the process."""

from collections.abc import AsyncIterator
from typing import Final, cast

import httpx2
import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from common.pipeline import Pipeline, StageEndpoint

CONNECT_WITHIN_S: Final = 1.0
"""A caller waits: an endpoint that does not even take the connection is not worth more."""
_LIMIT_S: Final = 65.0
"""Longer than any endpoint's `timeout_s`, which `Stages` watches over."""
_ANSWER_BYTES_AT_MOST: Final = 32 * 1024 * 1024
"""More than the longest sentence at the highest rate. The SDK reads some answers whole, errors for example."""
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
            timeout = openai.Timeout(_LIMIT_S, connect=CONNECT_WITHIN_S)
            http = DefaultAsyncHttpxClient(timeout=timeout, event_hooks={"response": [_bound]})
            self._clients[endpoint.base_url, key] = AsyncOpenAI(
                base_url=endpoint.base_url, api_key=key, max_retries=0, timeout=timeout, http_client=http
            )
        return self._clients[endpoint.base_url, key]

    def prepare(self, pipeline: Pipeline) -> None:
        """Make them all now. A first one takes a third of a second of a core: no call should wait for that."""
        for endpoint in (*pipeline.transcription, *pipeline.chat, *pipeline.speech):
            client = self.of(endpoint)
            for part in (client.chat.completions, client.audio.transcriptions, client.audio.speech):
                assert part  # the SDK loads each when it is first looked at

    async def close(self) -> None:
        """End every connection."""
        for client in self._clients.values():
            await client.close()


async def _bound(response: httpx2.Response) -> None:
    response.stream = _Bounded(cast(httpx2.AsyncByteStream, response.stream))


class _Bounded(httpx2.AsyncByteStream):
    """An answer without an end breaks off before it fills the memory."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        room = _ANSWER_BYTES_AT_MOST
        async for data in self._stream:
            room -= len(data)
            if room < 0:
                raise httpx2.ReadError("the answer is longer than any can be")
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()
