"""The first stage: a caller's turn into words."""

import io
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import openai

from common.errors import RemoteProtocolError
from common.pcmu import SAMPLE_RATE_HZ
from common.pipeline import StageEndpoint
from fallback.pipeline.clients import Clients
from fallback.pipeline.failures import translated
from fallback.pipeline.pcmu_codec import to_samples

_CHARACTERS_AT_MOST: Final = 8_000
"""Of one turn, which is at most a minute long: nobody speaks faster."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """One turn."""

    clients: Clients
    pcmu: bytes
    language: str
    prompt: str | None = None

    async def begin(self, endpoint: StageEndpoint) -> AsyncIterator[str]:
        """The words, once. Raises a `TrunklineError`."""
        with translated("transcription"):
            transcription = await self.clients.of(endpoint).audio.transcriptions.create(
                file=("turn.wav", wav(self.pcmu), "audio/wav"),
                model=endpoint.model,
                language=self.language,
                prompt=self.prompt or openai.omit,
                response_format="json",
            )
            text: object = transcription.text
        if not isinstance(text, str) or len(text) > _CHARACTERS_AT_MOST:
            raise RemoteProtocolError("the transcription endpoint answered no text of a turn")
        yield text.strip()


def wav(pcmu: bytes) -> bytes:
    """A WAV file of 16-bit samples, which every server takes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE_HZ)
        writer.writeframes(to_samples(pcmu).astype("<i2").tobytes())
    return file.getvalue()
