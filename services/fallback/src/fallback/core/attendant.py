"""Who attends to a call that no realtime session can: the turn-based dialogue, or the menu when a stage of it fails.

    PIPELINE ──down──▶ MENU
        ▲                │
        └──────up────────┘

Both share the call's ear and voice. What is under way in one is dropped when the other takes over, but nothing that was
said: the conversation is in the facts, and in the dialogue's memory.
"""

from collections.abc import Callable
from typing import TypeAlias

from common.fsm import Machine
from common.messages.facts import LevelCause
from common.profile import AgentProfile
from common.prompt_names import Prompt
from fallback.core.dialogue import Dialogue
from fallback.core.hearing import CallerBegan, CallerEnded, Detector, Hearing
from fallback.core.ladder import LADDER, MENU_AT_LEAST_S, Rung, Step
from fallback.core.menu_desk import MenuDesk
from fallback.core.menu_vocabulary import Tick
from fallback.core.prompt_voice import PromptVoice
from fallback.core.vocabulary import (
    ChatEnded,
    ChatSaid,
    Command,
    Emit,
    Event,
    Pressed,
    RecordingLost,
    RecordingSaved,
    Sounded,
    SoundEnded,
    StageFailed,
    StagesChanged,
    Transcribed,
)
from talker.port import Configure, LevelChanged, Respond, SpeechCommand

Commands: TypeAlias = tuple[Command, ...]


class Attendant:
    """`hear` takes the caller's audio, `feed` everything else; ask `next_deadline` when to feed a `Tick`."""

    def __init__(
        self,
        profile: AgentProfile,
        voice: PromptVoice,
        detector: Detector,
        new_id: Callable[[str], str],
        *,
        has_number: bool,
        answers_by_itself: bool = True,
        begins_at: Rung = Rung.PIPELINE,
        cause: LevelCause = LevelCause.STAGES_FAILED,
    ) -> None:
        """`begins_at`, `cause`: where the call is attended to first, and why if that is the menu."""
        self._voice = voice
        self._ladder = Machine(LADDER, begins_at)
        self._hearing = Hearing(profile.turn_detection, detector)
        self._dialogue = Dialogue(profile, voice, new_id, answers_by_itself=answers_by_itself)
        self._desk = MenuDesk(profile, voice, new_id, self._hearing, has_number=has_number)
        self._cause = cause
        self._are_stages_up = begins_at is Rung.PIPELINE
        self._menu_until = 0.0

    @property
    def rung(self) -> Rung:
        """What attends to the call."""
        return self._ladder.state

    def next_deadline(self) -> float:
        """When to feed a `Tick` (monotonic seconds)."""
        if self.rung is Rung.PIPELINE:
            return self._dialogue.next_deadline()
        up_at = self._up_at() if self._are_stages_up else float("inf")
        return min(self._desk.next_deadline(), up_at)

    def hear(self, pcmu: bytes, now: float) -> Commands:
        """Caller audio of any length, in order."""
        commands: Commands = self._desk.record(pcmu) if self.rung is Rung.MENU else ()
        for heard in self._hearing.hear(pcmu):
            commands += self._heard(heard, now)
        return commands

    def _heard(self, heard: CallerBegan | CallerEnded, now: float) -> Commands:
        if self.rung is Rung.MENU:
            return self._dialogue.overhear((*self._desk.heard(heard, now), *self._climb_if_due(now)))
        if isinstance(heard, CallerBegan):
            return self._dialogue.caller_began(heard)
        return self._dialogue.caller_ended(heard, now)

    def feed(self, event: Event, now: float) -> Commands:
        """Everything to do about `event`, in order."""
        before = self.rung
        commands = self._feed(event, now)
        return self._dialogue.overhear(commands) if Rung.MENU in (before, self.rung) else commands

    def _feed(self, event: Event, now: float) -> Commands:
        match event:
            case Transcribed() | ChatSaid() | ChatEnded() | Sounded() | SoundEnded():
                return self._dialogue.brought(event, now) if self.rung is Rung.PIPELINE else ()
            case StageFailed(work_id=work_id, is_throttled=is_throttled):
                return self._failed(work_id, LevelCause.THROTTLED if is_throttled else LevelCause.STAGES_FAILED, now)
            case StagesChanged():
                return self._stages_changed(event, now)
            case Pressed(digits):
                return self._desk.press(digits, now) if self.rung is Rung.MENU else ()
            case RecordingSaved() | RecordingLost():
                return self._desk.recorded(event, now)
            case Tick():
                return self._tick(now)
            case _:
                return self._told(event, now)

    def _told(self, command: SpeechCommand, now: float) -> Commands:
        if self.rung is Rung.PIPELINE:
            return self._dialogue.told(command, now)
        is_asked = isinstance(command, Respond) or (isinstance(command, Configure) and command.answers_by_itself)
        if is_asked and self._is_menu_needless(now):
            return (*self._climb(), *self._dialogue.told(command, now))
        if isinstance(command, Respond) and command.human_unreached and self._desk.has_begun:
            return self._desk.human_unreached(now)
        told = () if isinstance(command, Respond) else self._dialogue.told(command, now)
        return (*told, *self._desk.enter(self._cause, now)) if is_asked else told

    def _tick(self, now: float) -> Commands:
        if self.rung is Rung.PIPELINE:
            return self._dialogue.tick(now)
        climbed = self._climb_if_due(now)
        return climbed or self._desk.tick(now)

    # --- up and down ----------------------------------------------------------------------------------------------

    def _failed(self, work_id: str, cause: LevelCause, now: float) -> Commands:
        """A call that is still being told of what was said hears nothing before it knows."""
        if self.rung is Rung.MENU or not self._dialogue.is_about(work_id):
            return ()
        self._ladder.move(Step.DOWN)
        self._cause = cause
        self._menu_until = now + MENU_AT_LEAST_S
        left = self._dialogue.leave(self._hearing.ended_here_ms)
        entered = self._desk.enter(cause, now) if self._dialogue.is_settled else ()
        return (*left, Emit(LevelChanged(self.rung.value, cause)), *entered)

    def _stages_changed(self, event: StagesChanged, now: float) -> Commands:
        self._are_stages_up = event.are_up
        is_worse = self._cause is LevelCause.THROTTLED and not event.are_up and not event.is_throttled
        if self.rung is Rung.MENU and is_worse:
            self._cause = LevelCause.STAGES_FAILED
            return self._desk.enter(self._cause, now) if self._desk.has_begun else ()
        return self._climb_if_due(now)

    def _is_menu_needless(self, now: float) -> bool:
        return self._are_stages_up and now >= self._menu_until and not self._desk.has_begun

    def _up_at(self) -> float:
        """When the caller can be taken out of the menu; never while in the middle of something, or not yet in it."""
        if self._hearing.is_speaking or not self._desk.has_begun:
            return float("inf")
        return max(self._menu_until, self._desk.free_at())

    def _climb_if_due(self, now: float) -> Commands:
        """Back to the dialogue, which answers what is still open."""
        if self.rung is Rung.PIPELINE or not self._are_stages_up or now < self._up_at():
            return ()
        left, resumed = self._desk.leave(now), self._voice.alone((Prompt.RESUMED,))
        return (*left, *self._climb(), *resumed, *self._dialogue.resume(now))

    def _climb(self) -> Commands:
        self._ladder.move(Step.UP)
        return (Emit(LevelChanged(self.rung.value, LevelCause.RECOVERED)),)
