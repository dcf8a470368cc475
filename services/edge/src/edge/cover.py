"""Covers the silence on one call's line that is ours: shows the line to `edge.core.comfort`, plays its clip."""

import math
import time

from common import metrics
from edge.call import Surroundings
from edge.caller_audio import CallerAudio
from edge.core import comfort
from edge.core.arbitration import Talker
from edge.core.clip import CLIP
from edge.core.clock import LegClock
from edge.core.comfort import Comfort, Line
from edge.voice import AgentVoice


class Cover:
    """`look` at the line after every change, give it what the caller says, call `play_if_due` at `next_deadline`."""

    def __init__(
        self, around: Surroundings, clock: LegClock, audio: CallerAudio, voice: AgentVoice, *, has_begun: bool
    ) -> None:
        """`has_begun`: the caller has been talked to before."""
        self._around = around
        self._clock = clock
        self._audio = audio
        self._voice = voice
        self._comfort = Comfort(time.monotonic(), has_begun=has_begun)
        self._lost_since: float | None = None
        """The last sign of life of the talker that was lost."""

    def next_deadline(self) -> float:
        """When the clip is due if nothing changes (monotonic seconds); infinity if it is not."""
        return self._comfort.next_deadline()

    def talker_lost(self, talker_id: str) -> None:
        """The call's talker is given up."""
        self._lost_since = self._around.missed_since(talker_id)

    def look(self, current: Talker | None, awaited_since: float | None) -> None:
        """`awaited_since`: when the caller began to wait for an answer, if so."""
        line = Line(
            is_silent=self._voice.is_silent,
            is_talker_reachable=self._is_reachable(current),
            missed_since=self._lost_since if current is None else self._around.missed_since(current.talker_id),
            awaited_since=awaited_since,
            is_mid_turn=self._voice.is_mid_turn,
        )
        self._comfort.feed(line, time.monotonic())

    def _is_reachable(self, current: Talker | None) -> bool:
        return current is not None and self._around.bus.is_connected and not self._around.is_held(current.talker_id)

    def hear(self, frame: bytes, now: float) -> bool:
        """What the caller says. True if it was listened to: the clip may be due at another time now."""
        listens = self._comfort.listens(now)
        if listens:
            self._comfort.hear(frame, now)
        return listens

    def play_if_due(self) -> bool:
        """True if the clip was played."""
        now = time.monotonic()
        if now < self._comfort.next_deadline():
            return False
        self._hear_again(now)
        if not self._comfort.is_due(now):
            return False
        metrics.COMFORT_CLIPS.inc()
        self._voice.play_local(CLIP)
        return True

    def _hear_again(self, now: float) -> None:
        """What was said right before the talker was lost; looked at only when the clip seems due."""
        since_ms = self._clock.at(now) - math.ceil(comfort.ANSWER_AFTER_S * 1000)
        for at_ms, frame in self._audio.frames_since(since_ms):
            self.hear(frame, self._clock.moment(at_ms, now))
