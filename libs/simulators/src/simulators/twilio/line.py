"""The caller's end of the telephone line: mouth, ear, memory, and the person using them; no sockets."""

import base64
from dataclasses import dataclass, field
from functools import cache

from simulators.people import recordings
from simulators.people.pcmu import FRAME_BYTES, FRAME_MS, SILENCE, SILENT_FRAME, audible_span_ms
from simulators.people.watermark import Marker
from simulators.twilio.audibility import Ear
from simulators.twilio.events import EventName
from simulators.twilio.person import Action, Person, Senses, Speak
from simulators.twilio.script import Script

Frame = tuple[bytes, str]  # pcmu and the same in base64
_FRAME_S = FRAME_MS / 1000
_QUIET: Frame = (SILENT_FRAME, base64.b64encode(SILENT_FRAME).decode())
SILENT_PAYLOAD = _QUIET[1]

Happening = tuple[EventName, float, dict[str, object]]


@dataclass(slots=True)
class CallerTurn:
    """One recording spoken: the file's begin and end, and where in it speech can be heard (monotonic seconds)."""

    recording: str
    text: str
    start_s: float
    end_s: float
    speech_start_s: float
    speech_end_s: float


@dataclass(frozen=True, slots=True)
class LineTick:
    """One frame's outcome: the caller's audio (base64), what the caller does, what there is to tell."""

    payload: str
    actions: tuple[Action, ...]
    happenings: tuple[Happening, ...]


@dataclass(slots=True)
class Line:
    """Fed with the frame that begins to sound at `now`, gives back the frame the caller says meanwhile."""

    script: Script
    senses: Senses
    keep_audio: bool = False
    marker: Marker | None = None
    ear: Ear = field(default_factory=Ear)
    turns: list[CallerTurn] = field(default_factory=list)
    caller_audio: bytearray = field(default_factory=bytearray)
    agent_audio: bytearray = field(default_factory=bytearray)
    frames: int = 0
    person: Person = field(init=False)
    _speech: tuple[Frame, ...] = ()
    _spoken: int = 0
    first_frame_s: float = 0.0

    def __post_init__(self) -> None:
        self.person = Person(self.script, self.senses)

    def tick(self, heard: bytes, now: float) -> LineTick:
        """One frame of both directions."""
        if not self.frames:
            self.first_frame_s = now
        self.frames += 1
        happenings: list[Happening] = []
        self._hear(heard, now, happenings)
        self._finish_speaking(now, happenings)
        actions = self.person.tick()
        for action in actions:
            if isinstance(action, Speak):
                self._begin_to_speak(action.recording, now, happenings)
        frame, payload = self._next_frame() if self.marker is None else self._marked(self.marker, self._next_frame())
        if self.keep_audio:
            self.agent_audio += heard
            self.caller_audio += frame
        return LineTick(payload, actions, tuple(happenings))

    def _hear(self, heard: bytes, now: float, happenings: list[Happening]) -> None:
        ear, senses = self.ear, self.senses
        if ear.hear(heard, now):
            happenings.append(_heard_change(ear, now))
        senses.now = now
        senses.agent_is_audible = ear.is_hearing_speech
        senses.agent_silent_s = ear.silent_for_s(now + _FRAME_S, self.first_frame_s)
        if ear.is_hearing_speech:
            senses.agent_audible_s += _FRAME_S

    def _begin_to_speak(self, name: str, now: float, happenings: list[Happening]) -> None:
        recording = recordings.load(name)
        self._speech, (start_ms, end_ms) = _frames(name)
        self._spoken = 0
        self.senses.is_speaking = True
        end = now + len(self._speech) * _FRAME_S
        speech = (now + start_ms / 1000, now + end_ms / 1000)
        self.turns.append(CallerTurn(name, recording.text, now, end, *speech))
        happenings.append(("caller_speaks", now, {"recording": name, "text": recording.text}))

    def _finish_speaking(self, now: float, happenings: list[Happening]) -> None:
        if self.senses.is_speaking and self._spoken == len(self._speech):
            self.senses.is_speaking = False
            happenings.append(("caller_stops", now, {"recording": self.turns[-1].recording}))

    def _next_frame(self) -> Frame:
        if not self.senses.is_speaking:
            return _QUIET
        frame = self._speech[self._spoken]
        self._spoken += 1
        return frame

    def _marked(self, marker: Marker, frame: Frame) -> Frame:
        pcmu = marker.mark(frame[0])
        return pcmu, base64.b64encode(pcmu).decode()

    def cut_short(self, now: float) -> None:
        """The call ended: a turn under way ended with it."""
        if self.senses.is_speaking:
            turn = self.turns[-1]
            turn.end_s = min(turn.end_s, now)
            turn.speech_end_s = max(turn.speech_start_s, min(turn.speech_end_s, now))


def _heard_change(ear: Ear, now: float) -> Happening:
    interval = ear.intervals[-1]
    if ear.is_hearing_speech:
        return ("agent_audible", interval.start_s, {})
    return ("agent_silent", interval.end_s, {"spoke_ms": round((interval.end_s - interval.start_s) * 1000)})


@cache
def _frames(name: str) -> tuple[tuple[Frame, ...], tuple[int, int]]:
    """A recording cut into frames, the last one filled up with silence, and its audible span."""
    pcmu = recordings.load(name).pcmu
    pcmu += bytes([SILENCE]) * (-len(pcmu) % FRAME_BYTES)
    pieces = (pcmu[start : start + FRAME_BYTES] for start in range(0, len(pcmu), FRAME_BYTES))
    return tuple((piece, base64.b64encode(piece).decode()) for piece in pieces), audible_span_ms(pcmu)
