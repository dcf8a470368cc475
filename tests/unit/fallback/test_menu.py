"""The keypad menu: what callers are told, what their keys do, and that nobody is left in silence."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages.facts import LevelCause
from common.profile import Menu
from common.prompt_names import Prompt, needed
from fallback.core.choices import TOLD_BY, Choice, allowed
from fallback.core.menu import KeypadMenu
from fallback.core.menu_limits import Limits
from fallback.core.menu_table import TABLE, Move, Stand
from fallback.core.menu_vocabulary import (
    CallerSilent,
    CallerSpoke,
    Command,
    DropRecording,
    Ending,
    Entered,
    Event,
    GiveToHuman,
    HangUp,
    HumanUnreached,
    KeepRecording,
    Left,
    NoteChoice,
    Pressed,
    PromptsEnded,
    RecordingFailed,
    RecordingKept,
    Say,
    StartRecording,
    Tick,
    WantCallback,
)

LIMITS = Limits()
EVERYTHING = Menu(transfer="front-desk")
PROMPT_S = 2.0
FAILED, THROTTLED = LevelCause.STAGES_FAILED, LevelCause.THROTTLED
WHOLE_MENU = (Prompt.MENU_HOLD, Prompt.MENU_MESSAGE, Prompt.MENU_CALLBACK, Prompt.MENU_TRANSFER)


class Bench:
    """A menu, a clock, and a line on which every prompt is sent at once and sounds for two seconds."""

    def __init__(self, menu: Menu = EVERYTHING, *, has_number: bool = True, limits: Limits = LIMITS) -> None:
        self.menu = KeypadMenu(menu, has_number=has_number, limits=limits)
        self.now = 100.0
        self.done: list[Command] = []
        self.said: list[tuple[Prompt, ...]] = []
        self.heard_until = self.now
        self.is_recording = False

    def feed(self, *events: Event) -> None:
        for event in events:
            for command in self.menu.feed(event, self.now):
                self._perform(command)

    def _perform(self, command: Command) -> None:
        match command:
            case Say(names, number):
                self.said.append(names)
                self.heard_until = self.now + PROMPT_S * len(names)
                self.feed(PromptsEnded(number, round(1_000 * PROMPT_S * len(names))))
                return
            case StartRecording():
                assert not self.is_recording
                self.is_recording = True
            case KeepRecording() | DropRecording():
                assert self.is_recording
                self.is_recording = False
        self.done.append(command)

    def newest(self) -> tuple[Prompt, ...]:
        """What was said last."""
        return self.said[-1]

    def press(self, *digits: str) -> None:
        self.feed(*map(Pressed, digits))

    def run(self, seconds: float) -> None:
        """Let time pass; a tick is given whenever one is due."""
        until = self.now + seconds
        while self.menu.next_deadline() <= until:
            self.now = max(self.now, self.menu.next_deadline())
            self.feed(Tick())
        self.now = until

    def hear_out(self) -> None:
        """Until what is being said was heard."""
        self.run(max(0.0, self.heard_until - self.now))

    def at_the_tone(self) -> "Bench":
        """The caller has chosen to leave a message, and the tone is over."""
        self.feed(Entered(FAILED))
        self.press("2")
        self.hear_out()
        assert self.done[-1:] == [StartRecording()]
        return self


# --- what is offered --------------------------------------------------------------------------------------------------


def test_when_the_stages_failed_the_caller_is_told_so_and_offered_everything() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    assert bench.said == [(Prompt.TROUBLE, *WHOLE_MENU)]


@pytest.mark.parametrize(
    ("menu", "has_number", "choices"),
    [
        (Menu(), True, "123"),
        (Menu(transfer="desk"), False, "124"),
        (Menu(hold=False, message=False, transfer="desk"), True, "34"),
        (Menu(hold=False, callback=False), True, "2"),
        (Menu(hold=False, message=False, callback=True), False, ""),
    ],
)
def test_only_what_the_profile_has_is_offered_and_no_call_back_to_who_withholds_the_number(
    menu: Menu, has_number: bool, choices: str
) -> None:
    assert "".join(choice.value for choice in allowed(menu, has_number=has_number)) == choices


def test_every_choice_is_told_by_a_prompt_of_its_own() -> None:
    assert set(TOLD_BY) == set(Choice)
    assert len(set(TOLD_BY.values())) == len(Choice)


def test_the_menu_is_repeated_three_times_and_then_the_caller_holds() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.run(4 * (5 * PROMPT_S + LIMITS.key_within_s))
    assert bench.said == [(Prompt.TROUBLE, *WHOLE_MENU), *[WHOLE_MENU] * 3, (Prompt.HOLDING,)]
    assert bench.menu.stand is Stand.HOLDING


def test_the_wait_for_a_key_begins_when_the_menu_was_heard() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    assert bench.menu.next_deadline() == bench.now + 5 * PROMPT_S + LIMITS.key_within_s
    bench.feed(Tick())
    assert len(bench.said) == 1


def test_the_star_tells_the_menu_again_and_starts_counting_anew() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.run(3 * (4 * PROMPT_S + LIMITS.key_within_s))
    bench.press("*")
    bench.run(3 * (4 * PROMPT_S + LIMITS.key_within_s))
    assert bench.menu.stand is Stand.MENU
    assert Prompt.HOLDING not in {name for names in bench.said for name in names}


@pytest.mark.parametrize("digit", ["5", "9", "0", "#", "A", "", "22", "\0"])
def test_a_key_that_means_nothing_is_answered_with_the_menu(digit: str) -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press(digit)
    assert bench.newest() == (Prompt.NOT_UNDERSTOOD, *WHOLE_MENU)
    assert bench.done == []


def test_a_key_of_something_that_is_not_offered_means_nothing() -> None:
    bench = Bench(Menu(hold=True, message=False, callback=False))
    bench.feed(Entered(FAILED))
    for digit in "234":
        bench.press(digit)
        assert bench.newest() == (Prompt.NOT_UNDERSTOOD, Prompt.MENU_HOLD)
    assert bench.done == []


def test_a_caller_whom_nothing_can_be_offered_holds() -> None:
    bench = Bench(Menu(hold=False, message=False, callback=False))
    bench.feed(Entered(FAILED))
    assert bench.said == [(Prompt.TROUBLE,)]
    assert bench.menu.stand is Stand.HOLDING
    bench.press("2")
    assert bench.newest() == (Prompt.HOLDING,)


def test_late_word_that_an_earlier_prompt_was_sent_does_not_move_the_deadline() -> None:
    menu = KeypadMenu(EVERYTHING, has_number=True)
    (first,) = menu.feed(Entered(FAILED), 0.0)
    (second,) = menu.feed(Pressed("*"), 1.0)
    assert isinstance(first, Say)
    assert isinstance(second, Say)
    menu.feed(PromptsEnded(second.number, 4_000), 1.0)
    due = menu.next_deadline()
    menu.feed(PromptsEnded(first.number, 60_000), 2.0)
    assert menu.next_deadline() == due == 5.0 + LIMITS.key_within_s


def test_word_that_prompts_were_sent_counts_once() -> None:
    bench = Bench()
    bench.feed(Entered(THROTTLED))
    bench.run(PROMPT_S + LIMITS.holding_every_s - 1)
    bench.feed(PromptsEnded(1))
    bench.run(1)
    assert bench.newest() == (Prompt.HOLDING,)


def test_prompts_of_which_is_never_heard_that_they_were_sent_are_not_waited_for_forever() -> None:
    menu = KeypadMenu(EVERYTHING, has_number=True)
    menu.feed(Entered(FAILED), 0.0)
    assert menu.next_deadline() == LIMITS.sent_within_s + LIMITS.key_within_s


# --- holding ----------------------------------------------------------------------------------------------------------


def test_a_throttled_caller_is_asked_to_hold_without_a_menu_and_thanked_every_twenty_seconds() -> None:
    bench = Bench()
    bench.feed(Entered(THROTTLED))
    bench.run(3 * (PROMPT_S + LIMITS.holding_every_s))
    assert bench.said == [(Prompt.THROTTLED,), *[(Prompt.HOLDING,)] * 3]


@pytest.mark.parametrize("digit", ["1", "2", "9", "*", "#"])
def test_any_key_brings_the_menu_to_who_holds(digit: str) -> None:
    bench = Bench()
    bench.feed(Entered(THROTTLED))
    bench.press(digit)
    assert bench.newest() == WHOLE_MENU
    assert bench.done == []


def test_who_chooses_to_hold_is_thanked_at_once() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("1")
    assert bench.newest() == (Prompt.HOLDING,)
    assert bench.done == [NoteChoice(Choice.HOLD)]


def test_who_holds_for_many_calls_gets_the_menu_when_there_is_trouble_too() -> None:
    bench = Bench()
    bench.feed(Entered(THROTTLED), Entered(THROTTLED))
    assert bench.said == [(Prompt.THROTTLED,)]
    bench.feed(Entered(FAILED), Entered(FAILED))
    assert bench.said[1:] == [(Prompt.TROUBLE, *WHOLE_MENU)]


def test_who_chose_to_hold_is_not_told_of_the_trouble_again() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("1")
    bench.feed(Entered(THROTTLED))
    assert bench.newest() == (Prompt.HOLDING,)
    assert bench.menu.stand is Stand.HOLDING


# --- leaving a message ------------------------------------------------------------------------------------------------


def test_a_message_is_recorded_after_the_tone_and_kept_at_the_key() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("2")
    assert bench.newest() == (Prompt.RECORD, Prompt.TONE)
    bench.run(2 * PROMPT_S - 0.1)
    assert not bench.is_recording
    bench.run(0.1)
    assert bench.is_recording
    bench.feed(CallerSpoke())
    bench.run(20)
    bench.press("#")
    assert bench.done == [NoteChoice(Choice.MESSAGE), StartRecording(), KeepRecording(Ending.KEY)]


def test_the_caller_is_thanked_only_when_the_message_is_kept_and_then_holds() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke())
    bench.press("#")
    assert bench.newest() == (Prompt.RECORD, Prompt.TONE)
    bench.feed(RecordingKept())
    assert bench.newest() == (Prompt.RECORDED, Prompt.STAY_OR_END)
    bench.run(2 * PROMPT_S + LIMITS.holding_every_s)
    assert bench.newest() == (Prompt.HOLDING,)


def test_four_seconds_of_silence_after_speech_end_a_message() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke())
    bench.run(30)
    bench.feed(CallerSilent(), CallerSilent())
    bench.run(LIMITS.silence_after_speech_s - 0.1)
    bench.feed(CallerSpoke())
    bench.run(1)
    bench.feed(CallerSilent())
    bench.run(LIMITS.silence_after_speech_s - 0.1)
    assert bench.is_recording
    bench.run(0.1)
    assert bench.done[-1] == KeepRecording(Ending.SILENCE)


def test_silence_counts_from_its_beginning_however_often_it_is_told() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke(), CallerSilent())
    for _ in range(40):
        bench.run(LIMITS.silence_after_speech_s / 39)
        bench.feed(CallerSilent())
    assert bench.done[-1] == KeepRecording(Ending.SILENCE)


def test_who_says_nothing_for_ten_seconds_gets_the_menu_back() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSilent())
    bench.run(LIMITS.speech_within_s)
    assert bench.done[-1] == DropRecording()
    assert bench.newest() == (Prompt.PARDON, *WHOLE_MENU)


def test_who_spoke_before_the_tone_and_goes_on_has_spoken() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED), Pressed("2"), CallerSpoke())
    bench.hear_out()
    bench.run(LIMITS.speech_within_s + 5)
    assert bench.is_recording
    bench.press("#")
    assert bench.done[-1] == KeepRecording(Ending.KEY)


def test_who_spoke_only_before_the_tone_has_not_spoken() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED), Pressed("2"), CallerSpoke(), CallerSilent())
    bench.hear_out()
    bench.press("#")
    assert bench.done[-1] == DropRecording()


def test_a_message_is_two_minutes_long_at_most() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke())
    bench.run(LIMITS.recording_at_most_s - 0.1)
    assert bench.is_recording
    bench.run(0.1)
    assert bench.done[-1] == KeepRecording(Ending.LENGTH)


def test_the_star_takes_a_message_back() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke())
    bench.press("5", "*")
    assert bench.done[-1] == DropRecording()
    assert bench.newest() == WHOLE_MENU


def test_while_being_told_how_to_record_only_the_star_means_anything() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("2", "2", "#", "7")
    assert bench.menu.stand is Stand.INSTRUCTING
    bench.press("*")
    assert bench.newest() == WHOLE_MENU


def test_who_hangs_up_while_speaking_has_left_a_message_and_who_said_nothing_has_not() -> None:
    spoke, silent = Bench().at_the_tone(), Bench().at_the_tone()
    spoke.feed(CallerSpoke(), Left())
    silent.feed(Left())
    assert spoke.done[-1] == KeepRecording(Ending.LEFT)
    assert silent.done[-1] == DropRecording()
    assert spoke.menu.next_deadline() == silent.menu.next_deadline() == float("inf")


@pytest.mark.parametrize("fails_while_recording", [True, False])
def test_a_message_that_cannot_be_kept_is_admitted_and_none_is_offered_again(fails_while_recording: bool) -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke())
    if fails_while_recording:
        bench.is_recording = False
    else:
        bench.press("#")
    bench.feed(RecordingFailed())
    assert bench.newest() == (Prompt.NOT_RECORDED, Prompt.MENU_HOLD, Prompt.MENU_CALLBACK, Prompt.MENU_TRANSFER)
    bench.press("2")
    assert bench.newest()[0] is Prompt.NOT_UNDERSTOOD


def test_a_disk_that_never_answers_has_failed() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke())
    bench.press("#")
    bench.run(LIMITS.kept_within_s)
    assert bench.newest()[0] is Prompt.NOT_RECORDED
    bench.feed(RecordingKept())
    assert bench.menu.stand is Stand.MENU


def test_where_a_message_was_all_there_is_its_failure_leaves_the_caller_holding() -> None:
    bench = Bench(Menu(hold=False, callback=False)).at_the_tone()
    bench.feed(CallerSpoke(), RecordingFailed())
    assert bench.newest() == (Prompt.NOT_RECORDED,)
    assert bench.menu.stand is Stand.HOLDING


def test_one_call_leaves_five_messages_at_most() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    for left in range(LIMITS.messages_at_most):
        assert Choice.MESSAGE in bench.menu.offers, left
        bench.press("2")
        bench.hear_out()
        bench.feed(CallerSpoke(), Pressed("#"), RecordingKept(), Pressed("*"))
    assert Choice.MESSAGE not in bench.menu.offers


# --- call back, human, goodbye ----------------------------------------------------------------------------------------


def test_a_wish_to_be_called_back_is_noted_once() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("3")
    assert bench.newest() == (Prompt.CALLBACK_NOTED, Prompt.STAY_OR_END)
    bench.press("*", "3")
    assert bench.newest() == (Prompt.CALLBACK_NOTED, Prompt.STAY_OR_END)
    assert bench.done.count(WantCallback()) == 1


def test_the_caller_is_told_before_a_human_is_dialled() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("4", "4")
    assert bench.newest() == (Prompt.TRANSFERRING,)
    assert bench.done == [NoteChoice(Choice.HUMAN)]
    bench.hear_out()
    assert bench.done[-1] == GiveToHuman("front-desk")


def test_the_star_calls_a_transfer_off_while_it_can() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("4", "*")
    bench.hear_out()
    assert bench.newest() == WHOLE_MENU
    assert GiveToHuman("front-desk") not in bench.done


def test_who_is_still_here_after_a_transfer_gets_the_menu_back() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("4")
    bench.hear_out()
    bench.press("1")
    bench.run(LIMITS.human_within_s)
    assert bench.newest() == (Prompt.TRANSFER_FAILED, *WHOLE_MENU)


def test_who_is_back_from_a_human_nobody_reached_is_told_and_gets_the_menu_back() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("4")
    bench.hear_out()
    bench.run(LIMITS.human_within_s + LIMITS.key_within_s)  # said to nobody, while it rang
    bench.feed(HumanUnreached())
    assert bench.newest() == (Prompt.TRANSFER_FAILED, *WHOLE_MENU)


def test_who_leaves_a_message_is_not_interrupted_for_that() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("2")
    bench.hear_out()
    before = bench.newest()
    bench.feed(HumanUnreached())
    assert bench.newest() == before


def test_who_is_served_may_end_the_call_by_a_key_and_hears_goodbye_first() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED))
    bench.press("3")
    bench.hear_out()
    bench.press("#")
    assert bench.newest() == (Prompt.GOODBYE,)
    assert HangUp() not in bench.done
    bench.run(PROMPT_S)
    assert bench.done[-1] == HangUp()
    assert bench.menu.stand is Stand.IDLE


def test_the_key_that_ended_the_message_ends_no_call_when_pressed_twice() -> None:
    bench = Bench().at_the_tone()
    bench.feed(CallerSpoke())
    bench.press("#", "#")
    bench.feed(RecordingKept())
    bench.press("#")
    assert bench.newest() == (Prompt.RECORDED, Prompt.STAY_OR_END)
    bench.run(3_600)
    assert HangUp() not in bench.done


def test_nobody_who_is_not_served_can_end_the_call_by_mistake() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED), Pressed("#"))
    bench.press("1", "#")
    bench.run(60)
    assert HangUp() not in bench.done


def test_after_the_model_came_back_the_menu_can_be_entered_again() -> None:
    bench = Bench()
    bench.feed(Entered(FAILED), Left())
    bench.press("2", "#")
    bench.run(60)
    assert len(bench.said) == 1
    bench.feed(Entered(THROTTLED))
    assert bench.newest() == (Prompt.THROTTLED,)


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_menu_can_be_left_from_everywhere() -> None:
    assert {stand for stand, move in TABLE if move is Move.LEAVE} == set(Stand) - {Stand.IDLE}
    assert {TABLE[key] for key in TABLE if key[1] is Move.LEAVE} == {Stand.IDLE}


EVENTS: tuple[Event, ...] = (
    *(Entered(cause) for cause in LevelCause),
    *map(Pressed, "1234*#9"),
    PromptsEnded(1),
    CallerSpoke(),
    CallerSilent(),
    RecordingKept(),
    RecordingFailed(),
    Left(),
    Tick(),
)


def _brought_to(stand: Stand) -> Bench:
    bench = Bench()
    if stand is Stand.IDLE:
        return bench
    bench.feed(Entered(FAILED))
    if stand is Stand.HOLDING:
        bench.press("1")
    elif stand in (Stand.INSTRUCTING, Stand.RECORDING, Stand.KEEPING):
        bench.press("2")
        if stand is not Stand.INSTRUCTING:
            bench.hear_out()
        if stand is Stand.KEEPING:
            bench.feed(CallerSpoke(), Pressed("#"))
    elif stand in (Stand.THANKING, Stand.PARTING):
        bench.press("3")
        if stand is Stand.PARTING:
            bench.hear_out()
            bench.press("#")
    elif stand in (Stand.TRANSFERRING, Stand.GIVEN):
        bench.press("4")
        if stand is Stand.GIVEN:
            bench.hear_out()
    return bench


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("stand", Stand)
def test_every_event_may_come_everywhere(stand: Stand, event: Event) -> None:
    bench = _brought_to(stand)
    assert bench.menu.stand is stand
    bench.feed(event)
    assert bench.menu.stand is Stand.IDLE or bench.menu.next_deadline() < float("inf")


# --- whatever comes ---------------------------------------------------------------------------------------------------

MENUS = st.builds(
    Menu,
    hold=st.booleans(),
    message=st.booleans(),
    callback=st.booleans(),
    transfer=st.sampled_from([None, "front-desk"]),
)


@dataclass(frozen=True)
class Wait:
    """Let time pass."""

    seconds: float


STEPS = st.lists(
    st.one_of(
        st.sampled_from("1234*#09A").map(Pressed),
        st.sampled_from([CallerSpoke(), CallerSilent(), RecordingKept(), RecordingFailed(), Tick()]),
        st.sampled_from([FAILED, THROTTLED]).map(Entered),
        st.builds(PromptsEnded, st.integers(0, 5), st.integers(0, 5_000)),
        st.floats(0, 60).map(Wait),
    ),
    max_size=60,
)


class Watched(Bench):
    """A bench that also notes the longest silence outside of a recording."""

    longest_silence_s = 0.0

    def feed(self, *events: Event) -> None:
        for event in events:
            was_recording = self.is_recording
            if isinstance(event, RecordingFailed):
                self.is_recording = False
            if not was_recording:
                self.longest_silence_s = max(self.longest_silence_s, self.now - self.heard_until)
            super().feed(event)
            if was_recording or self.is_recording:
                self.heard_until = max(self.heard_until, self.now)


@given(menu=MENUS, has_number=st.booleans(), cause=st.sampled_from([FAILED, THROTTLED]), steps=STEPS)
def test_whatever_comes_nothing_forbidden_is_offered_and_nobody_is_left_in_silence(
    menu: Menu, has_number: bool, cause: LevelCause, steps: list[Event | Wait]
) -> None:
    bench = Watched(menu, has_number=has_number)
    bench.feed(Entered(cause))
    for step in steps:
        if isinstance(step, Wait):
            bench.run(step.seconds)
        else:
            bench.feed(step)
        if bench.menu.stand is Stand.IDLE:
            break
        assert bench.menu.next_deadline() < float("inf") or bench.is_recording
    told = {name for names in bench.said for name in names}
    assert told <= needed(menu)
    assert all(names for names in bench.said)
    forbidden = set(Choice) - set(allowed(menu, has_number=has_number))
    assert not told & {TOLD_BY[choice] for choice in forbidden}
    assert not {NoteChoice(choice) for choice in forbidden} & set(bench.done)
    assert WantCallback() not in bench.done or (menu.callback and has_number)
    assert bench.longest_silence_s <= 25.0
    assert bench.is_recording == (bench.menu.stand is Stand.RECORDING)
