"""The keypad menu at work in a call: keys become caller turns, prompts become agent turns, a message becomes a turn."""

from collections.abc import Callable
from typing import Final, assert_never

from common.conversation import KEYS, MESSAGE
from common.messages.facts import LevelCause
from common.profile import AgentProfile
from common.prompt_names import Prompt
from fallback.core import menu_vocabulary as menu
from fallback.core.hearing import CallerBegan, CallerEnded, Hearing
from fallback.core.menu import KeypadMenu
from fallback.core.menu_table import Stand
from fallback.core.prompt_voice import PromptVoice
from fallback.core.vocabulary import Command, Emit, KeepWish, Record, RecordingLost, RecordingSaved
from talker.port import (
    CallbackAsked,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    Farewell,
    HumanWanted,
    MessageTaken,
)

NEVER: Final = float("inf")
UNDER_WAY_MS: Final = 200
"""From us to the caller's ear: a tone must have sounded to its end before the recording that follows cuts it off."""
_FREE: Final = frozenset({Stand.IDLE, Stand.MENU, Stand.HOLDING, Stand.THANKING})
"""Where the caller is in the middle of nothing."""

Commands = tuple[Command, ...]


class MenuDesk:
    """Between the menu, which knows keys and prompts, and the call, which knows turns."""

    def __init__(
        self,
        profile: AgentProfile,
        voice: PromptVoice,
        new_id: Callable[[str], str],
        hearing: Hearing,
        *,
        has_number: bool,
    ) -> None:
        self._menu = KeypadMenu(profile.fallback.menu, has_number=has_number)
        self._voice = voice
        self._new_id = new_id
        self._hearing = hearing
        self._turn_id = ""
        """The caller's turn that is a message."""
        self._is_recording = False
        self._said_until = 0.0

    @property
    def has_begun(self) -> bool:
        """True once the caller was told of the menu."""
        return self._menu.stand is not Stand.IDLE

    def next_deadline(self) -> float:
        """When to `tick`."""
        return self._menu.next_deadline()

    def free_at(self) -> float:
        """When the caller can be taken out of the menu; never while in the middle of something."""
        return self._said_until if self._menu.stand in _FREE else NEVER

    # --- what happens ---------------------------------------------------------------------------------------------

    def enter(self, cause: LevelCause, now: float) -> Commands:
        """No model can be had. Said again, it counts only if it is worse."""
        return self._feed(menu.Entered(cause), now)

    def press(self, digits: str, now: float) -> Commands:
        """Keys, one by one. Each cuts off what is being said."""
        pressed: Commands = ()
        for digit in digits:
            turn = () if self._is_recording else self._key_turn(digit)
            pressed += (*turn, *self._feed(menu.Pressed(digit), now))
        return pressed

    def heard(self, heard: CallerBegan | CallerEnded, now: float) -> Commands:
        """The caller speaks, or no longer: that matters to a recording only."""
        return self._feed(menu.CallerSpoke() if isinstance(heard, CallerBegan) else menu.CallerSilent(), now)

    def record(self, pcmu: bytes) -> Commands:
        """What the caller says while it is kept."""
        return (Record(pcmu),) if self._is_recording else ()

    def recorded(self, event: RecordingSaved | RecordingLost, now: float) -> Commands:
        """What became of the message."""
        match event:
            case RecordingSaved(message_id, duration_ms):
                kept = (*self._turn_said("[left a message]"), Emit(MessageTaken(message_id, duration_ms)))
                return (*kept, *self._feed(menu.RecordingKept(), now))
            case RecordingLost():
                stopped = self._stop_turn() if self._is_recording else ()
                return (*stopped, *self._turn_said(""), *self._feed(menu.RecordingFailed(), now))
            case _:
                assert_never(event)

    def human_unreached(self, now: float) -> Commands:
        """The caller is back from a human who did not answer."""
        return self._feed(menu.HumanUnreached(), now)

    def leave(self, now: float) -> Commands:
        """A model talks again."""
        return self._feed(menu.Left(), now)

    def tick(self, now: float) -> Commands:
        """Time passed."""
        return self._feed(menu.Tick(), now)

    # --- what to do about it --------------------------------------------------------------------------------------

    def _feed(self, event: menu.Event, now: float) -> Commands:
        return tuple(done for command in self._menu.feed(event, now) for done in self._perform(command, now))

    def _perform(self, command: menu.Command, now: float) -> Commands:
        match command:
            case menu.Say(names, number):
                return self._say(names, number, now)
            case menu.StartRecording():
                return (*self._start_turn(), command)
            case menu.KeepRecording():
                return (*self._stop_turn(), command)
            case menu.DropRecording():
                return (*self._stop_turn(), *self._turn_said(""), command)
            case menu.WantCallback():
                return (KeepWish(), Emit(CallbackAsked()))
            case menu.GiveToHuman(to):
                return (Emit(HumanWanted(to)),)
            case menu.HangUp():
                return (Emit(Farewell()),)
            case menu.NoteChoice():
                return (command,)
            case _:
                assert_never(command)

    def _say(self, names: tuple[Prompt, ...], number: int, now: float) -> Commands:
        """All of it is sent at once, ahead of time; the caller hears it from now on."""
        lasts_ms = self._voice.lasts_ms(names) + UNDER_WAY_MS
        self._said_until = now + lasts_ms / 1_000
        said = self._voice.alone(names)
        return (*said, *self._feed(menu.PromptsEnded(number, lasts_ms), now))

    # --- turns of the caller --------------------------------------------------------------------------------------

    def _key_turn(self, digit: str) -> Commands:
        item_id = self._new_id(KEYS)
        return (
            Emit(CallerSpeechStarted(item_id, self._hearing.began_here_ms)),
            Emit(CallerSpeechStopped(item_id, self._hearing.ended_here_ms)),
            Emit(CallerTranscribed(item_id, f"[pressed {digit}]")),
        )

    def _start_turn(self) -> Commands:
        self._turn_id, self._is_recording = self._new_id(MESSAGE), True
        return (Emit(CallerSpeechStarted(self._turn_id, self._hearing.began_here_ms)),)

    def _stop_turn(self) -> Commands:
        self._is_recording = False
        return (Emit(CallerSpeechStopped(self._turn_id, self._hearing.ended_here_ms)),)

    def _turn_said(self, text: str) -> Commands:
        turn_id, self._turn_id = self._turn_id, ""
        return (Emit(CallerTranscribed(turn_id, text)),) if turn_id else ()
