"""The facts a talker tells: the caller's turns, what it was not told itself, and what a response cost."""

from common.messages.facts import CallerSaid, ConversationTrimmed, TurnEnded, TurnStarted, UsageReported
from talker.core.caller_turns import Span
from talker.core.subject import Subject
from talker.core.vocabulary import WriteFact
from talker.port import Usage


def caller_began(subject: Subject, onset_ms: int, item_id: str) -> WriteFact:
    """The caller began to speak."""
    fact = TurnStarted(call_id=subject.call_id, epoch=subject.epoch, at_ms=onset_ms, speaker="caller", item_id=item_id)
    return WriteFact(fact)


def caller_ended(subject: Subject, end_ms: int, item_id: str) -> WriteFact:
    """The caller's turn is over."""
    fact = TurnEnded(call_id=subject.call_id, epoch=subject.epoch, at_ms=end_ms, item_id=item_id, end_ms=end_ms)
    return WriteFact(fact)


def conversation_trimmed(subject: Subject, at_ms: int, omitted: int, kept: int) -> WriteFact:
    """The session could not be told everything."""
    fact = ConversationTrimmed(
        call_id=subject.call_id, epoch=subject.epoch, at_ms=at_ms, omitted_turns=omitted, kept_turns=kept
    )
    return WriteFact(fact)


def caller_said(subject: Subject, at_ms: int, item_id: str, text: str, span: Span) -> WriteFact:
    """The caller's turn in words."""
    fact = CallerSaid(
        call_id=subject.call_id,
        epoch=subject.epoch,
        at_ms=at_ms,
        item_id=item_id,
        text=text,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
    )
    return WriteFact(fact)


def usage_reported(subject: Subject, at_ms: int, response_id: str, usage: Usage) -> WriteFact:
    """What a response cost."""
    fact = UsageReported(
        call_id=subject.call_id,
        epoch=subject.epoch,
        at_ms=at_ms,
        response_id=response_id,
        model=subject.model,
        input_text_tokens=usage.input_text_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        cached_text_tokens=usage.cached_text_tokens,
        cached_audio_tokens=usage.cached_audio_tokens,
        output_text_tokens=usage.output_text_tokens,
        output_audio_tokens=usage.output_audio_tokens,
    )
    return WriteFact(fact)
