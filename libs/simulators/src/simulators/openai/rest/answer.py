"""What an endpoint answers: a type, and pieces that come in their time."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import msgspec

from simulators.openai.realtime.refusals import Json


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes, and how long after the piece before them they come."""

    data: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status 200. Pieces are written as they come, chunked; a single one of known length is written whole."""

    content_type: str
    pieces: Iterable[Piece]
    is_stream: bool = True

    async def timed(self) -> AsyncIterator[bytes]:
        """The pieces, each when it is due."""
        for piece in self.pieces:
            if piece.after_s > 0:
                await asyncio.sleep(piece.after_s)
            yield piece.data


def json_answer(body: Json, after_s: float = 0.0) -> Answer:
    """One JSON document."""
    return Answer("application/json", [Piece(msgspec.json.encode(body), after_s)], is_stream=False)


def sse(data: Json | str) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
    return f"data: {text}\n\n".encode()
