"""The third stage: a sentence into the agent's voice, pcmu, while it is still being made."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import soxr

from common.errors import RemoteProtocolError
from common.pcmu import BYTES_PER_MS, SAMPLE_RATE_HZ
from common.pipeline import SpeechEndpoint
from fallback.pipeline.clients import Clients
from fallback.pipeline.failures import translated
from fallback.pipeline.pcmu_codec import from_samples
from fallback.pipeline.wav_header import HEADER_BYTES_AT_MOST, WavHeader, read_header

_READ_BYTES: Final = 4_800
"""A tenth of a second at 24 kHz."""
_AT_LEAST_MS: Final = 10_000
_MS_PER_CHARACTER: Final = 400
"""The slowest voice, in the script with the most sound to a character. What goes on longer has no end."""
_SAMPLE_BYTES: Final = 2
_NO_SAMPLES: Final = (
    "text/",
    "application/json",
    "audio/mpeg",
    "audio/ogg",
    "audio/aac",
    "audio/flac",
)
"""Content types that are not samples, whatever the status says."""
_RIFF: Final = b"RIFF"


@dataclass(slots=True)
class Spoken:
    """One sentence."""

    clients: Clients
    text: str
    delivered_bytes: int = 0
    """pcmu that was delivered, by whatever endpoint: another one need not say that again."""

    async def begin(self, endpoint: SpeechEndpoint) -> AsyncIterator[bytes]:
        """pcmu. Raises a `TrunklineError`."""
        skip = self.delivered_bytes
        made = 0
        with translated("speech"):
            async for pcmu in self._voice(endpoint):
                made += len(pcmu)
                if made > self._most_bytes():
                    raise RemoteProtocolError("the speech endpoint does not end")
                new = pcmu[max(0, len(pcmu) - (made - skip)) :] if made > skip else b""
                if new:
                    self.delivered_bytes += len(new)
                    yield new
        if not made:
            raise RemoteProtocolError("the speech endpoint answered no audio")

    def _most_bytes(self) -> int:
        return max(_AT_LEAST_MS, len(self.text) * _MS_PER_CHARACTER) * BYTES_PER_MS

    async def _voice(self, endpoint: SpeechEndpoint) -> AsyncIterator[bytes]:
        request = self.clients.of(endpoint).audio.speech.with_streaming_response.create(
            model=endpoint.model,
            voice=endpoint.voice,
            input=self.text,
            response_format=endpoint.response_format,
        )
        async with request as response:
            if response.headers.get("content-type", "").startswith(_NO_SAMPLES):
                raise RemoteProtocolError("the speech endpoint answered something else than audio")
            reader = _Reader(endpoint)
            async for data in response.iter_bytes(_READ_BYTES):
                for pcmu in reader.take(data):
                    yield pcmu
            for pcmu in reader.end():
                yield pcmu


class _Reader:
    """Bytes of any length into pcmu: finds the samples, brings them to our rate."""

    def __init__(self, endpoint: SpeechEndpoint) -> None:
        self._rest = b""
        self._header: WavHeader | None = None
        self._resampler: soxr.ResampleStream | None = None
        self._raw = WavHeader(endpoint.sample_rate, channels=1) if endpoint.response_format == "pcm" else None

    def _begin(self, header: WavHeader) -> None:
        self._header = header
        self._resampler = soxr.ResampleStream(header.sample_rate, SAMPLE_RATE_HZ, 1, dtype="int16", quality="MQ")

    def take(self, data: bytes) -> Iterator[bytes]:
        """The pcmu that is ready now."""
        self._rest += data
        if self._header is None:
            self._find_samples()
        if self._header is not None:
            yield from self._resample(is_last=False)

    def _find_samples(self) -> None:
        """Servers answer a WAV to who asked for raw samples; its header would be heard as a click, at a wrong rate."""
        if len(self._rest) < len(_RIFF):
            return
        if self._raw is not None and not self._rest.startswith(_RIFF):
            self._begin(self._raw)
            return
        found = read_header(self._rest)
        if found is not None:
            header, samples_at = found
            self._begin(header)
            self._rest = self._rest[samples_at:]
        elif len(self._rest) > HEADER_BYTES_AT_MOST:
            raise RemoteProtocolError("the speech endpoint answered no wav")

    def end(self) -> Iterator[bytes]:
        """What is left. Raises `RemoteProtocolError` if there never was any audio."""
        if self._header is None:
            raise RemoteProtocolError("the speech endpoint answered no audio")
        yield from self._resample(is_last=True)

    def _resample(self, *, is_last: bool) -> Iterator[bytes]:
        assert self._header is not None
        assert self._resampler is not None
        frame = _SAMPLE_BYTES * self._header.channels
        whole = len(self._rest) // frame * frame
        data, self._rest = self._rest[:whole], self._rest[whole:]
        samples = np.frombuffer(data, dtype="<i2").astype(np.int16)
        if self._header.channels > 1:
            samples = samples.reshape(-1, self._header.channels).mean(axis=1).astype(np.int16)
        if len(samples) or is_last:
            pcmu = from_samples(self._resampler.resample_chunk(samples, last=is_last))
            if pcmu:
                yield pcmu
