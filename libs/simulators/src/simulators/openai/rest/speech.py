"""`POST /v1/audio/speech`: text becomes audio at 24 kHz, faster than it sounds."""

import base64
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from simulators.openai.faults.http_kinds import EndpointName
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.usage import text_tokens
from simulators.openai.realtime.world import World
from simulators.openai.rest.answer import Answer, Piece, sse
from simulators.openai.rest.endpoint import read_json
from simulators.openai.rest.reading_aloud import Reader
from simulators.openai.rest.record import Asked
from simulators.openai.rest.speech_request import check_speech
from simulators.openai.script import Speech
from simulators.people.pcmu import BYTES_PER_MS, SAMPLES
from simulators.people.resampling import from_phone_rate
from simulators.people.watermark import MAX_NUMBER, Marker
from simulators.people.wav import linear_of, streamed_header

RATE_HZ: Final = 24_000
_FIRST_MARK: Final = (MAX_NUMBER + 1) // 2
"""Marks of spoken requests are numbered from here on, so that none is a speech session's."""
_MS_PER_TOKEN: Final = 50
CONTENT_TYPES: Final = {"pcm": "audio/pcm", "wav": "audio/wav"}


@dataclass(frozen=True, slots=True)
class SpeechEndpoint:
    """Speaks with the voices of the recordings."""

    world: World
    reader: Reader
    name: EndpointName = "speech"

    async def read(self, request: web.Request) -> Json:
        """The JSON body."""
        return await read_json(request)

    async def answer(self, parameters: Json, asked: Asked) -> Answer:
        """Audio in chunks, or as server-sent events."""
        asked.asked = {name: value for name, value in parameters.items() if name != "model"}
        check_speech(parameters)
        spoken = self.reader.read(parameters["input"])
        asked.answered = {"recordings": list(spoken.recordings), "audio_ms": len(spoken.pcmu) // BYTES_PER_MS}
        pcmu = spoken.pcmu
        if self.world.is_marking:
            asked.answered["mark"] = _FIRST_MARK + asked.number
            pcmu = Marker(_FIRST_MARK + asked.number).mark(pcmu)
        form = parameters["response_format"]
        header = streamed_header(RATE_HZ) if form == "wav" else b""
        pieces = audio_pieces(pcmu, self.world.script.speech, header)
        if parameters.get("stream_format") == "sse":
            return Answer("text/event-stream; charset=utf-8", _events(pieces, parameters["input"], len(pcmu)))
        return Answer(CONTENT_TYPES[form], pieces)


def audio_pieces(pcmu: bytes, speech: Speech, header: bytes = b"", rate_hz: int = RATE_HZ) -> Iterator[Piece]:
    """The audio in 16-bit samples, in time."""
    size = speech.chunk_ms * BYTES_PER_MS
    after_s = speech.first_byte_ms / 1000
    for start in range(0, len(pcmu), size):
        yield Piece(header + linear_of(_stretched(pcmu, start, size, rate_hz)), after_s)
        after_s, header = speech.chunk_ms / 1000 / speech.speed, b""


def _stretched(pcmu: bytes, start: int, size: int, rate_hz: int) -> "array[int]":
    """A part of the audio at a higher rate, as it would be in one go: its neighbours count."""
    before, after = min(start, 1), 2
    samples = [SAMPLES[byte] for byte in pcmu[start - before : start + size + after]]
    factor = rate_hz // (BYTES_PER_MS * 1000)
    count = min(size, len(pcmu) - start)
    return from_phone_rate(samples, rate_hz)[before * factor : (before + count) * factor]


def _events(pieces: Iterator[Piece], text: str, pcmu_bytes: int) -> Iterator[Piece]:
    for piece in pieces:
        audio = base64.b64encode(piece.data).decode()
        yield Piece(sse({"type": "speech.audio.delta", "audio": audio}), piece.after_s)
    read, spoken = text_tokens(text), -(-pcmu_bytes // BYTES_PER_MS // _MS_PER_TOKEN)
    usage = {"input_tokens": read, "output_tokens": spoken, "total_tokens": read + spoken}
    yield Piece(sse({"type": "speech.audio.done", "usage": usage}))
