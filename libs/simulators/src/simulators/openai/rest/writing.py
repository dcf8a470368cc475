"""An answer on its way to the client, and where it is cut."""

import time
from typing import Final

from aiohttp import web

from simulators.openai.faults.http_kinds import HttpCut
from simulators.openai.rest.answer import Answer
from simulators.openai.rest.record import Asked

_NEVER: Final = 1 << 60


async def write(request: web.Request, answer: Answer, asked: Asked, cut: HttpCut | None) -> web.StreamResponse:
    """Headers go out with the first piece, as the API sends them when it has something to say."""
    response = web.StreamResponse(headers={"Content-Type": answer.content_type, "x-request-id": asked.request_id})
    if answer.is_stream:
        response.enable_chunked_encoding()
    chunks = 0
    async for data in answer.timed():
        if not response.prepared:
            if not answer.is_stream:
                response.content_length = len(data)
            await response.prepare(request)
            asked.status, asked.first_byte_monotonic_s = 200, time.monotonic()
        sendable = _sendable(cut, answer, chunks, asked.sent_bytes, data)
        await response.write(data[:sendable])
        asked.sent_bytes += min(sendable, len(data))
        chunks += 1
        if sendable < len(data):
            break
    else:
        if cut is None:
            await response.write_eof()
            return response
    _cut(request, asked)
    return response


def _sendable(cut: HttpCut | None, answer: Answer, chunks: int, sent_bytes: int, data: bytes) -> int:
    """How many bytes of this piece may go out."""
    if cut is None:
        return _NEVER
    if cut.after_bytes is not None:
        return max(0, cut.after_bytes - sent_bytes)
    if not answer.is_stream:
        return len(data) // 2
    return _NEVER if chunks < cut.after_chunks else 0


def _cut(request: web.Request, asked: Asked) -> None:
    asked.ended = "cut"
    if request.transport is not None:
        request.transport.abort()
