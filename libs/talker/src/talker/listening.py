"""The caller's audio of one call: from the bus to the model."""

import time
from collections.abc import Callable

from common import metrics
from talker.core.caller_audio import CallerAudio

_REPEATED = metrics.AUDIO_DROPPED.labels("caller", "repeated")
_OVERFLOW = metrics.AUDIO_DROPPED.labels("caller", "overflow")
_CONGESTED = metrics.AUDIO_DROPPED.labels("caller", "congested")


class Listening:
    """`hear` is the hot path: at once to the model, or kept until we are the talker."""

    def __init__(self) -> None:
        self.audio = CallerAudio(time.monotonic())
        self._clock = self.audio.clock
        self._send_audio: Callable[[bytes], bool] | None = None
        self._until_ms: int | None = None
        self._on_caught_up: Callable[[], None] = _nothing

    def hear(self, timestamp_ms: int, pcmu: bytes) -> None:
        """One record of any length. What came before is dropped; of what overlaps, the new part is heard."""
        if self.audio.is_in_doubt:
            for at_ms, piece in self.audio.settled(timestamp_ms, pcmu, time.monotonic()):
                self._hear(at_ms, piece)
        else:
            self._hear(timestamp_ms, pcmu)

    def _hear(self, timestamp_ms: int, pcmu: bytes) -> None:
        known = self.audio.repeated(timestamp_ms, len(pcmu), time.monotonic())
        if known:
            if known >= len(pcmu):
                _REPEATED.inc()
                return
            timestamp_ms += known // 8
            pcmu = pcmu[known:]
        if self._send_audio is None:
            _OVERFLOW.inc(self.audio.keep(timestamp_ms, pcmu))
            return
        if self._send_audio(pcmu):
            self._clock.sent(timestamp_ms, len(pcmu))
        else:
            _CONGESTED.inc()
        if self._until_ms is not None and self.audio.until_ms >= self._until_ms:
            self._caught_up()

    def let_through(self, send_audio: Callable[[bytes], bool], until_ms: int, on_caught_up: Callable[[], None]) -> None:
        """From now on to the model, first what was kept; `on_caught_up` is called when audio has come up to then."""
        if not self._clock.sent_ms:
            self._clock.sent(until_ms, 0)
        for timestamp_ms, pcmu in self.audio.take_kept():
            if send_audio(pcmu):
                self._clock.sent(timestamp_ms, len(pcmu))
            else:
                _CONGESTED.inc()
        self._send_audio = send_audio
        self._until_ms, self._on_caught_up = until_ms, on_caught_up
        if self.audio.until_ms >= until_ms:
            self._caught_up()

    def doubt(self) -> None:
        """The bus was away from us: something may be missing, and will come again."""
        self.audio.doubt(time.monotonic())

    def stop(self) -> None:
        """The session is over."""
        self._send_audio = _refuse
        self._until_ms = None

    def _caught_up(self) -> None:
        self._until_ms = None
        self._on_caught_up()


def _nothing() -> None:
    return


def _refuse(pcmu: bytes) -> bool:
    return False
