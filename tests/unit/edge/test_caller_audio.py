"""The caller's audio on its way to a talker: what is sent, and what is sent again."""

from dataclasses import dataclass, field
from typing import cast

from common.audio import Kind, RawRecord
from common.bus.batcher import Batcher
from edge.caller_audio import CallerAudio
from edge.core.arbitration import Talker
from edge.core.clock import LegClock


@dataclass
class Recorder:
    """Stands where the batcher is, and writes down what is to be sent."""

    sent: list[tuple[str, RawRecord]] = field(default_factory=list)

    def add(self, subject: str, record: RawRecord) -> None:
        self.sent.append((subject, record))

    def times(self) -> list[int]:
        """When what was sent was said."""
        return [record[3] for _, record in self.sent]


def stage() -> tuple[CallerAudio, Recorder, LegClock]:
    recorder, clock = Recorder(), LegClock()
    return CallerAudio(7, clock, cast(Batcher, recorder)), recorder, clock


def speak(audio: CallerAudio, *times_ms: int) -> None:
    for at_ms in times_ms:
        audio.on_frame(at_ms, b"\x11" * 160, at_ms / 1000)


def test_without_a_talker_the_audio_is_kept_and_the_first_one_hears_it_all() -> None:
    audio, recorder, _ = stage()
    speak(audio, 0, 20, 40)
    assert recorder.sent == []
    audio.address(Talker("a", 1), since_ms=20)
    speak(audio, 60)
    assert recorder.times() == [20, 60]
    assert [record[:3] for _, record in recorder.sent] == [(7, 1, 1), (7, 1, 2)]
    assert {subject for subject, _ in recorder.sent} == {"trunk.v1.audio.caller.a"}
    assert len(recorder.sent[0][1][5]) == 320


def test_a_new_talker_is_addressed_from_its_first_record_on() -> None:
    audio, recorder, _ = stage()
    audio.address(Talker("a", 1), since_ms=0)
    speak(audio, 0, 20)
    audio.address(Talker("b", 2), since_ms=20)
    assert recorder.sent[-1] == ("trunk.v1.audio.caller.b", (7, 2, 1, 20, Kind.AUDIO, b"\x11" * 160))


def test_when_nobody_is_to_hear_the_caller_nothing_is_sent() -> None:
    audio, recorder, _ = stage()
    audio.address(Talker("a", 1), since_ms=0)
    audio.stop()
    speak(audio, 0)
    assert recorder.sent == []


def test_what_a_fault_may_have_lost_is_sent_again_from_a_little_before_it() -> None:
    audio, recorder, _ = stage()
    audio.address(Talker("a", 1), since_ms=0)
    speak(audio, *range(0, 3_000, 20))
    recorder.sent.clear()
    audio.missed(now=2.98, for_s=1.5)
    audio.missed(now=2.98)
    audio.catch_up()
    assert recorder.times()[0] == 2_980 - 1_500
    again = sum(len(record[5]) for _, record in recorder.sent) // 8
    assert again == 1_520
    recorder.sent.clear()
    audio.catch_up()
    assert recorder.sent == []


def test_newer_audio_does_not_overtake_what_has_to_be_sent_again() -> None:
    audio, recorder, _ = stage()
    audio.address(Talker("a", 1), since_ms=0)
    speak(audio, *range(0, 1_000, 20))
    recorder.sent.clear()
    audio.missed(now=0.98)
    speak(audio, *range(1_000, 1_200, 20))
    assert recorder.sent == []
    assert not audio.is_complete
    audio.catch_up()
    assert audio.is_complete
    assert recorder.times() == sorted(recorder.times())
    assert sum(len(record[5]) for _, record in recorder.sent) // 8 == 1_200 - 480


def test_after_a_cut_nothing_of_an_earlier_fault_is_sent_again() -> None:
    audio, recorder, _ = stage()
    audio.address(Talker("a", 1), since_ms=0)
    speak(audio, 0, 20)
    audio.missed(now=0.02, for_s=1.0)
    audio.address(Talker("b", 2), since_ms=40)
    recorder.sent.clear()
    audio.catch_up()
    assert recorder.sent == []


def test_when_the_calls_clock_is_put_forward_what_is_kept_goes_along() -> None:
    audio, recorder, clock = stage()
    speak(audio, 0, 20)
    audio.shift(clock.begin_at(5_000))
    audio.address(Talker("a", 3), since_ms=0)
    assert recorder.times() == [5_000]


def test_what_was_said_a_moment_ago_is_found_frame_by_frame() -> None:
    audio, _, _ = stage()
    speak(audio, *range(0, 100, 20), 200)
    assert [at_ms for at_ms, _ in audio.frames_since(40)] == [40, 60, 80, 200]
    assert {len(frame) for _, frame in audio.frames_since(40)} == {160}
