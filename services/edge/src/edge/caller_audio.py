"""The caller's audio on its way to whoever talks: kept in the ring, sent on, sent again where it may have been lost."""

from collections.abc import Iterator

from common import subjects
from common.audio import Kind
from common.bus.batcher import Batcher
from common.bus.connection import BEFORE_A_FAULT_S
from common.pcmu import BYTES_PER_MS, FRAME_BYTES
from edge.core.arbitration import Talker
from edge.core.clock import LegClock
from edge.core.ring import CallerRing


class CallerAudio:
    """One call's. Times are milliseconds on the call's clock; `now` is monotonic seconds."""

    def __init__(self, key: int, clock: LegClock, batcher: Batcher) -> None:
        self._key = key
        self._clock = clock
        self._batcher = batcher
        self._ring = CallerRing()
        self._subject = ""
        self._epoch = 0
        self._sequence = 0
        self._unreached_since_ms: int | None = None

    def on_frame(self, timestamp_ms: int, pcmu: bytes, now: float) -> None:
        """One frame of the caller: kept, and sent on. The hottest path of the edge."""
        at_ms = self._clock.feed(timestamp_ms, now)
        self._ring.add(at_ms, pcmu)
        if self._subject and self._unreached_since_ms is None:
            self._send(at_ms, pcmu)

    def frames_since(self, since_ms: int) -> Iterator[tuple[int, bytes]]:
        """What the caller said since then, frame by frame, with the time of each."""
        for at_ms, pcmu in self._ring.since(since_ms):
            for start in range(0, len(pcmu), FRAME_BYTES):
                yield at_ms + start // BYTES_PER_MS, pcmu[start : start + FRAME_BYTES]

    def address(self, talker: Talker, since_ms: int) -> None:
        """From now on this talker hears the caller, beginning with what was said since `since_ms`."""
        self._subject = subjects.caller_audio(talker.talker_id)
        self._epoch = talker.epoch
        self._sequence = 0
        self._unreached_since_ms = None
        self._replay(since_ms)

    def stop(self) -> None:
        """Nobody hears the caller now."""
        self._subject = ""

    def shift(self, by_ms: int) -> None:
        """The call's clock was put forward: so are the times of what is kept."""
        self._ring.shift(by_ms)

    def missed(self, now: float, for_s: float = BEFORE_A_FAULT_S) -> None:
        """What was sent in the last `for_s` may be lost: keep all until `catch_up`, which begins again there.

        Newer audio may not overtake it: the talker would take what comes again for a repetition.
        """
        since_ms = max(0, self._clock.at(now) - round(for_s * 1000))
        if self._unreached_since_ms is None or since_ms < self._unreached_since_ms:
            self._unreached_since_ms = since_ms

    @property
    def is_complete(self) -> bool:
        """True unless the talker may have missed something."""
        return self._unreached_since_ms is None

    def catch_up(self) -> None:
        """The talker can be reached: send what may have been lost again."""
        if self._unreached_since_ms is not None:
            self._replay(self._unreached_since_ms)
            self._unreached_since_ms = None

    def _replay(self, since_ms: int) -> None:
        if self._subject:
            for at_ms, pcmu in self._ring.since(since_ms):
                self._send(at_ms, pcmu)

    def _send(self, at_ms: int, pcmu: bytes) -> None:
        self._sequence += 1
        self._batcher.add(self._subject, (self._key, self._epoch, self._sequence, at_ms, Kind.AUDIO, pcmu))
