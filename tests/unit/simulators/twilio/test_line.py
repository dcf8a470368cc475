"""The caller's end of the line, frame by frame in simulated time."""

import base64
from collections.abc import Callable

import pytest

from simulators.people import recordings
from simulators.people.pcmu import SILENT_FRAME
from simulators.people.watermark import Marker, runs, unmarked
from simulators.people.watermark import Run as MarkedRun
from simulators.twilio.line import SILENT_PAYLOAD, Line
from simulators.twilio.person import Action, GiveUp, PressKey, PutDown, Senses
from simulators.twilio.script import Script

TONE = bytes([0xA0, 0x20] * 80)
Heard = Callable[[int], bytes]  # frame number → what is heard


def silence(_: int) -> bytes:
    return SILENT_FRAME


def tone(_: int) -> bytes:
    return TONE


class Run:
    """A line run for some frames."""

    def __init__(
        self, *steps: object, heard: Heard = silence, frames: int = 1000, marker: Marker | None = None
    ) -> None:
        script = Script.parse({"steps": [*steps, "hangup"]})
        self.line = Line(script, Senses(100.0), keep_audio=True, marker=marker)
        self.actions: list[tuple[int, Action]] = []
        self.names: list[str] = []
        self.payloads: list[str] = []
        for number in range(frames):
            tick = self.line.tick(heard(number), 100.0 + number * 0.02)
            self.payloads.append(tick.payload)
            self.actions += [(number, action) for action in tick.actions]
            self.names += [name for name, _, _ in tick.happenings]
            if self.line.person.is_done:
                break

    @property
    def ended_at(self) -> int:
        number, action = self.actions[-1]
        assert isinstance(action, PutDown | GiveUp)
        return number


def test_a_caller_who_says_nothing_sends_silence_and_hangs_up() -> None:
    run = Run({"pause_ms": 100})
    assert run.ended_at == 5
    assert set(run.payloads) == {SILENT_PAYLOAD}


def test_a_recording_is_spoken_whole_and_its_speech_is_timed() -> None:
    run = Run({"pause_ms": 40}, {"say": "caller-2"})
    (turn,) = run.line.turns
    pcmu = recordings.load("caller-2").pcmu
    assert bytes(run.line.caller_audio).startswith(SILENT_FRAME * 2 + pcmu)
    assert turn.start_s == pytest.approx(100.04)
    assert turn.end_s == pytest.approx(100.04 + 3.0)
    assert turn.start_s < turn.speech_start_s < turn.speech_end_s <= turn.end_s
    assert run.ended_at == 2 + 150
    assert run.names == ["caller_speaks", "caller_stops"]


def test_two_recordings_follow_each_other_without_a_gap() -> None:
    run = Run({"say": "caller-2"}, {"say": "caller-5"})
    first, second = run.line.turns
    assert second.start_s == pytest.approx(first.end_s)


def test_agent_speech_and_silence_are_told_by_the_sound() -> None:
    run = Run(
        "wait_for_agent_speech",
        {"wait_for_agent_silence": {"silence_ms": 700}},
        heard=lambda number: TONE if 10 <= number < 20 else SILENT_FRAME,
    )
    assert run.names == ["agent_audible", "agent_silent"]
    (interval,) = run.line.ear.intervals
    assert interval.start_s == pytest.approx(100.2)
    assert interval.end_s == pytest.approx(100.4)
    assert run.ended_at == pytest.approx(20 + 35, abs=1)


def test_short_pauses_do_not_end_the_agents_speech() -> None:
    run = Run({"pause_ms": 2000}, heard=lambda number: TONE if number < 40 and number % 10 < 3 else SILENT_FRAME)
    assert len(run.line.ear.intervals) == 1


def test_an_interruption_waits_for_so_much_agent_speech_pauses_not_counted() -> None:
    def halting(number: int) -> bytes:
        return TONE if number % 50 < 25 else SILENT_FRAME

    run = Run({"interrupt": {"after_ms_of_agent_speech": 1000, "say": "caller-2"}}, heard=halting)
    (turn,) = run.line.turns
    # 500 ms of speech and 200 ms of hangover in every second: the second one completes 1000 ms.
    assert turn.start_s == pytest.approx(101.3, abs=0.05)


def test_keys_are_pressed_one_by_one() -> None:
    run = Run({"dtmf": "1w2"})
    pressed = [(number, action.digit) for number, action in run.actions if isinstance(action, PressKey)]
    assert pressed == [(0, "1"), (pytest.approx(38, abs=2), "2")]


def test_steps_repeat() -> None:
    run = Run({"repeat": {"times": 3, "steps": [{"dtmf": "1"}, {"repeat": {"times": 2, "steps": [{"dtmf": "2"}]}}]}})
    assert [action.digit for _, action in run.actions if isinstance(action, PressKey)] == list("122122122")


@pytest.mark.parametrize(
    ("step", "heard"),
    [
        ({"wait_for_agent_speech": {"timeout_ms": 200}}, silence),
        ({"wait_for_agent_silence": {"timeout_ms": 200}}, tone),
        ({"wait_for_stream": {"timeout_ms": 200}}, silence),
        ({"wait_for_dial": {"timeout_ms": 200}}, silence),
        ({"interrupt": {"after_ms_of_agent_speech": 500, "say": "caller-1", "timeout_ms": 200}}, tone),
    ],
)
def test_a_condition_that_does_not_come_true_ends_the_call_with_its_reason(step: object, heard: Heard) -> None:
    run = Run(step, heard=heard)
    assert run.ended_at == 10
    reason = run.line.person.failure("gave_up")
    assert reason is not None
    assert "200 ms" in reason
    assert "step 0" in reason


def test_no_call_lasts_longer_than_its_script_allows() -> None:
    script = Script.parse({"max_call_ms": 1000, "steps": [{"pause_ms": 60_000}, "hangup"]})
    line = Line(script, Senses(0.0))
    actions = [action for number in range(60) for action in line.tick(SILENT_FRAME, number * 0.02).actions]
    assert actions == [GiveUp("step 0 (pause_ms): the call lasted longer than 1000 ms")]


def test_a_turn_ends_with_the_call() -> None:
    run = Run({"say": "caller-1"}, frames=50)
    run.line.cut_short(101.0)
    (turn,) = run.line.turns
    assert turn.end_s == turn.speech_end_s == 101.0


def test_a_marked_caller_can_be_told_frame_by_frame_in_speech_and_in_silence() -> None:
    plain, marked = (Run({"pause_ms": 60}, {"say": "caller-2"}, marker=marker) for marker in (None, Marker(31)))
    said = bytes(marked.line.caller_audio)
    assert runs(said) == [MarkedRun(0, 31, 0, len(said) // 80)]
    assert unmarked(said) == unmarked(bytes(plain.line.caller_audio))
    assert b"".join(map(base64.b64decode, marked.payloads)) == said


def test_steps_are_repeated_until_a_time_after_the_answer() -> None:
    run = Run({"repeat": {"until_ms": 1_000, "steps": [{"pause_ms": 300}]}})
    assert run.ended_at == pytest.approx(1_200 / 20, abs=1)


def test_steps_are_not_begun_after_their_time() -> None:
    late = {"repeat": {"times": 1, "until_ms": 400, "steps": [{"pause_ms": 300}]}}
    assert Run({"pause_ms": 500}, late).ended_at == 25
