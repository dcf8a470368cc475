"""The keypad menu of one call: what the caller is told and offered when no model can be had.

    IDLE ──offer──▶ MENU ──take message──▶ INSTRUCTING ──record──▶ RECORDING ──keep──▶ KEEPING ──┐
     │               │ ▲                                                                        │ acknowledge
     └──hold──▶ HOLDING │◀────────────────────── any key ── THANKING ◀───────────────────────────┘

With trouble the menu comes first; with throttling the caller is asked to hold, and any key brings the menu. Who says
nothing holds in the end: the model may come back. After a message or a wish to be called back the caller may hang up
or stay, which is said; whoever stays holds on, and `#` then says goodbye and ends the call. Nobody is hung up on
without that key. A caller who goes away while speaking has left a message all the same.
"""

import math
from dataclasses import dataclass
from typing import Final, assert_never

from common.fsm import Machine
from common.messages.facts import LevelCause
from common.profile import Menu as OfferedMenu
from common.prompt_names import Prompt
from fallback.core.choices import TOLD_BY, Choice, allowed
from fallback.core.menu_limits import Limits
from fallback.core.menu_table import TABLE, Move, Stand
from fallback.core.menu_vocabulary import (
    CallerSilent,
    CallerSpoke,
    Commands,
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

END_KEY: Final = "#"
REPEAT_KEY: Final = "*"


class KeypadMenu:
    """Feed it every event with the time (monotonic seconds), and a `Tick` at `next_deadline`; do what it answers."""

    def __init__(self, menu: OfferedMenu, *, has_number: bool, limits: Limits | None = None) -> None:
        """`has_number`: the caller's number is known, so a call back is possible."""
        self._limits = limits or Limits()
        self._allowed = allowed(menu, has_number=has_number)
        self._transfer_to = menu.transfer or ""
        self._machine = Machine(TABLE, Stand.IDLE)
        self._cause: LevelCause | None = None
        self._since = 0.0
        """When it last moved."""
        self._number = 0
        self._is_sent = False
        self._heard_out_at = -math.inf
        """When what is being said will have been heard; as long as it is being sent, when to stop waiting for that."""
        self._repeats = 0
        self._speech = _Speech()
        self._messages = 0
        self._can_record = True
        self._is_callback_noted = False

    @property
    def stand(self) -> Stand:
        """Where the caller is."""
        return self._machine.state

    @property
    def offers(self) -> tuple[Choice, ...]:
        """What the caller may choose now."""
        can_record = self._can_record and self._messages < self._limits.messages_at_most
        return tuple(choice for choice in self._allowed if choice is not Choice.MESSAGE or can_record)

    def next_deadline(self) -> float:
        """When a `Tick` is due if nothing happens before; infinity only outside of the menu."""
        limits = self._limits
        match self.stand:
            case Stand.IDLE:
                return math.inf
            case Stand.MENU:
                return self._heard_out_at + limits.key_within_s
            case Stand.HOLDING:
                return self._heard_out_at + limits.holding_every_s
            case Stand.RECORDING:
                return min(self._since + limits.recording_at_most_s, self._speech.given_up_at(limits, self._since))
            case Stand.KEEPING:
                return self._since + limits.kept_within_s
            case Stand.GIVEN:
                return self._since + limits.human_within_s
            case Stand.INSTRUCTING | Stand.THANKING | Stand.TRANSFERRING | Stand.PARTING:
                return self._heard_out_at
            case _:
                assert_never(self.stand)

    # --- the one entrance -----------------------------------------------------------------------------------------

    def feed(self, event: Event, now: float) -> Commands:
        """Take one event; what to do about it. What makes no sense where the caller is changes nothing."""
        match event:
            case Entered(cause):
                return self._enter(cause, now)
            case Pressed(digit):
                return self._press(digit, now)
            case PromptsEnded(number, sounds_on_ms):
                if number == self._number and not self._is_sent:
                    self._is_sent, self._heard_out_at = True, now + sounds_on_ms / 1_000
                return ()
            case CallerSpoke():
                self._speech.began()
                return ()
            case CallerSilent():
                self._speech.ceased(now)
                return ()
            case RecordingKept():
                return self._kept(now)
            case RecordingFailed():
                return self._failed(now)
            case HumanUnreached():
                return self._offer_again(now)
            case Left():
                return self._leave(now)
            case Tick():
                return self._time_out(now) if now >= self.next_deadline() else ()
            case _:
                assert_never(event)

    def _enter(self, cause: LevelCause, now: float) -> Commands:
        was, self._cause = self._cause, cause
        if self.stand is Stand.IDLE and cause is LevelCause.THROTTLED:
            return self._hold(now, Prompt.THROTTLED)
        is_worse = self.stand is Stand.HOLDING and was is LevelCause.THROTTLED and cause is not was
        return self._offer(now, Prompt.TROUBLE) if self.stand is Stand.IDLE or is_worse else ()

    def _kept(self, now: float) -> Commands:
        if self.stand is not Stand.KEEPING:
            return ()
        self._messages += 1
        return self._thank(now, Prompt.RECORDED)

    def _failed(self, now: float) -> Commands:
        if self.stand not in (Stand.RECORDING, Stand.KEEPING):
            return ()
        self._can_record = False
        return self._offer(now, Prompt.NOT_RECORDED)

    def _offer_again(self, now: float) -> Commands:
        """There are words for it only where the menu offers a human."""
        if self.stand in (Stand.RECORDING, Stand.KEEPING, Stand.PARTING):
            return ()
        return self._offer(now, *((Prompt.TRANSFER_FAILED,) if Choice.HUMAN in self._allowed else ()))

    def _leave(self, now: float) -> Commands:
        if self.stand is Stand.IDLE:
            return ()
        commands: Commands = ()
        if self.stand is Stand.RECORDING:
            commands = (KeepRecording(Ending.LEFT),) if self._speech.has_been else (DropRecording(),)
        self._move(Move.LEAVE, now)
        return commands

    # --- keys -----------------------------------------------------------------------------------------------------

    def _press(self, digit: str, now: float) -> Commands:
        match self.stand:
            case Stand.MENU:
                return self._choose(digit, now)
            case Stand.HOLDING:
                return self._part(now) if digit == END_KEY and self._is_served else self._offer(now)
            case Stand.THANKING:
                return () if digit == END_KEY else self._offer(now)  # the key that ended the message, pressed twice
            case Stand.RECORDING:
                return self._press_while_recording(digit, now)
            case Stand.INSTRUCTING | Stand.TRANSFERRING:
                return self._offer(now) if digit == REPEAT_KEY else ()
            case Stand.IDLE | Stand.KEEPING | Stand.GIVEN | Stand.PARTING:
                return ()
            case _:
                assert_never(self.stand)

    def _choose(self, digit: str, now: float) -> Commands:
        choice = next((each for each in self.offers if each.value == digit), None)
        match choice:
            case None:
                return self._answer_other_key(digit, now)
            case Choice.HOLD:
                done = self._hold(now, Prompt.HOLDING)
            case Choice.MESSAGE:
                done = self._say_on(Move.TAKE_MESSAGE, now, Prompt.RECORD, Prompt.TONE)
            case Choice.CALLBACK:
                done = self._note_callback(now)
            case Choice.HUMAN:
                done = self._say_on(Move.TRANSFER, now, Prompt.TRANSFERRING)
            case _:
                assert_never(choice)
        return (NoteChoice(choice), *done)

    def _answer_other_key(self, digit: str, now: float) -> Commands:
        if digit == END_KEY and self._is_served:
            return self._part(now)
        return self._offer(now) if digit == REPEAT_KEY else self._offer(now, Prompt.NOT_UNDERSTOOD)

    def _note_callback(self, now: float) -> Commands:
        wish: Commands = () if self._is_callback_noted else (WantCallback(),)
        self._is_callback_noted = True
        return (*wish, *self._thank(now, Prompt.CALLBACK_NOTED))

    def _press_while_recording(self, digit: str, now: float) -> Commands:
        if digit == REPEAT_KEY:
            return (DropRecording(), *self._offer(now))
        return self._end_recording(Ending.KEY, now) if digit == END_KEY else ()

    # --- time -----------------------------------------------------------------------------------------------------

    def _time_out(self, now: float) -> Commands:
        match self.stand:
            case Stand.MENU:
                return self._repeat_or_hold(now)
            case Stand.HOLDING:
                return self._hold(now, Prompt.HOLDING)
            case Stand.THANKING:
                self._move(Move.HOLD, now)
                return ()
            case Stand.INSTRUCTING:
                self._move(Move.RECORD, now)
                self._speech.restart()
                return (StartRecording(),)
            case Stand.RECORDING:
                is_too_long = now >= self._since + self._limits.recording_at_most_s
                return self._end_recording(Ending.LENGTH if is_too_long else Ending.SILENCE, now)
            case Stand.KEEPING:
                return self._failed(now)
            case Stand.TRANSFERRING:
                self._move(Move.GIVE, now)
                return (GiveToHuman(self._transfer_to),)
            case Stand.GIVEN:
                return self._offer(now, Prompt.TRANSFER_FAILED)
            case Stand.PARTING:
                self._move(Move.LEAVE, now)
                return (HangUp(),)
            case Stand.IDLE:
                return ()
            case _:
                assert_never(self.stand)

    def _repeat_or_hold(self, now: float) -> Commands:
        repeats = self._repeats + 1
        if repeats > self._limits.menu_repeats:
            return self._hold(now, Prompt.HOLDING)
        commands = self._offer(now)
        self._repeats = repeats
        return commands

    # --- moving ---------------------------------------------------------------------------------------------------

    def _move(self, move: Move, now: float) -> None:
        self._machine.move(move)
        self._since = now

    def _say_on(self, move: Move, now: float, *names: Prompt) -> Commands:
        self._move(move, now)
        self._number += 1
        self._is_sent = False
        self._heard_out_at = now + self._limits.sent_within_s
        return (Say(names, self._number),)

    def _offer(self, now: float, *before: Prompt) -> Commands:
        """The menu from its beginning; a caller whom nothing can be offered holds."""
        self._repeats = 0
        if choices := self.offers:
            return self._say_on(Move.OFFER, now, *before, *(TOLD_BY[choice] for choice in choices))
        self._move(Move.OFFER, now)
        return self._hold(now, *(before or (Prompt.HOLDING,)))

    def _hold(self, now: float, *prompts: Prompt) -> Commands:
        return self._say_on(Move.HOLD, now, *prompts)

    def _thank(self, now: float, prompt: Prompt) -> Commands:
        return self._say_on(Move.ACKNOWLEDGE, now, prompt, Prompt.STAY_OR_END)

    def _part(self, now: float) -> Commands:
        return self._say_on(Move.PART, now, Prompt.GOODBYE)

    @property
    def _is_served(self) -> bool:
        """The caller has left a message or is going to be called back, and may be gone for all we know."""
        return self._messages > 0 or self._is_callback_noted

    def _end_recording(self, why: Ending, now: float) -> Commands:
        if not self._speech.has_been:
            return (DropRecording(), *self._offer(now, Prompt.PARDON))
        self._move(Move.KEEP, now)
        return (KeepRecording(why),)


@dataclass(slots=True)
class _Speech:
    """Whether the caller has spoken since the tone, and since when not."""

    has_been: bool = False
    _is_on: bool = False
    _silent_since: float = 0.0

    def began(self) -> None:
        """The caller speaks."""
        self.has_been = self._is_on = True

    def ceased(self, now: float) -> None:
        """The caller does not speak."""
        if self._is_on:
            self._is_on, self._silent_since = False, now

    def restart(self) -> None:
        """A recording begins. Who speaks already is not noticed to begin."""
        self.has_been = self._is_on

    def given_up_at(self, limits: Limits, since: float) -> float:
        """When a recording that began at `since` ends for want of speech."""
        if not self.has_been:
            return since + limits.speech_within_s
        return math.inf if self._is_on else self._silent_since + limits.silence_after_speech_s
