"""What a speech session tells beside speech: its service level, what the caller chose from a menu."""

from typing import Any, TypeAlias, assert_never

from common.messages.facts import CallbackWanted, LevelCause, MessageLeft, ServiceLevelChanged
from talker.core.subject import Subject
from talker.core.vocabulary import AskHangUp, AskTransfer, Command, NoteLevel, WriteFact
from talker.port import CallbackAsked, Farewell, HumanWanted, LevelChanged, MessageTaken

Aside: TypeAlias = LevelChanged | HumanWanted | MessageTaken | CallbackAsked | Farewell


class Beside:
    """Knows the level the call is served at; everything else passes through."""

    def __init__(self, level: int, cause: LevelCause) -> None:
        self._level = level
        self._cause = cause

    def begin(self, subject: Subject, at_ms: int, before: int) -> tuple[Command, ...]:
        """We are the talker: a level other than the call had `before` is a fact."""
        return () if self._level == before else self._changed(subject, at_ms, before)

    def feed(self, subject: Subject, at_ms: int, event: Aside) -> tuple[Command, ...]:
        """Everything to do about `event`, in order."""
        match event:
            case LevelChanged(level, cause):
                return self._level_changed(subject, at_ms, level, cause)
            case Farewell():
                return (AskHangUp(),)
            case HumanWanted(to):
                return (AskTransfer(to),)
            case MessageTaken(message_id, duration_ms):
                left = MessageLeft(
                    **_about(subject, at_ms),
                    message_id=message_id,
                    profile=subject.profile.name,
                    duration_ms=duration_ms,
                )
                return (WriteFact(left),)
            case CallbackAsked():
                wanted = CallbackWanted(
                    **_about(subject, at_ms), profile=subject.profile.name, caller_number=subject.caller_number
                )
                return (WriteFact(wanted),)
            case _:
                assert_never(event)

    def _level_changed(self, subject: Subject, at_ms: int, level: int, cause: LevelCause) -> tuple[Command, ...]:
        before, self._level, self._cause = self._level, level, cause
        return () if level == before else self._changed(subject, at_ms, before)

    def _changed(self, subject: Subject, at_ms: int, before: int) -> tuple[Command, ...]:
        about = _about(subject, at_ms)
        changed = ServiceLevelChanged(**about, level=self._level, before=before, cause=self._cause)
        return (NoteLevel(self._level, self._cause), WriteFact(changed))


def _about(subject: Subject, at_ms: int) -> dict[str, Any]:
    return {"call_id": subject.call_id, "epoch": subject.epoch, "at_ms": at_ms}
