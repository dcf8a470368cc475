"""The facts a talker tells of a call: turns of the caller, tools, instructions in force, what a response cost."""

from hashlib import blake2b

from common.messages.facts import (
    CallerSaid,
    ConversationTrimmed,
    InstructionsApplied,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    TurnStarted,
    UsageReported,
)
from talker.core.caller_turns import Span
from talker.core.subject import Subject
from talker.core.vocabulary import ToolAnswered, WriteFact
from talker.port import ToolWanted, Usage


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


def tool_called(subject: Subject, at_ms: int, tool: ToolWanted) -> WriteFact:
    """The model asked for a tool."""
    fact = ToolCalled(
        call_id=subject.call_id,
        epoch=subject.epoch,
        at_ms=at_ms,
        item_id=tool.item_id,
        tool_call_id=tool.tool_call_id,
        name=tool.name,
        arguments=tool.arguments,
    )
    return WriteFact(fact)


def tool_returned(subject: Subject, at_ms: int, answer: ToolAnswered) -> WriteFact:
    """What came of a tool. Two talkers may hear of it around a handover: it is the same fact then."""
    name = f"{subject.call_id} {answer.tool_call_id}".encode(errors="replace")
    fact = ToolReturned(
        call_id=subject.call_id,
        fact_id=f"fact-{blake2b(name, digest_size=12).hexdigest()}",
        epoch=subject.epoch,
        at_ms=at_ms,
        tool_call_id=answer.tool_call_id,
        output=answer.output,
        is_error=answer.is_error,
    )
    return WriteFact(fact)


def instructions_applied(subject: Subject, at_ms: int, revision: int, agent: str) -> WriteFact:
    """A revision of the agent's instructions is in force."""
    fact = InstructionsApplied(
        call_id=subject.call_id, epoch=subject.epoch, at_ms=at_ms, revision=revision, agent=agent
    )
    return WriteFact(fact)


def usage_reported(subject: Subject, at_ms: int, response_id: str, usage: Usage | None) -> tuple[WriteFact, ...]:
    """What a response cost, if that is known."""
    if usage is None:
        return ()
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
    return (WriteFact(fact),)
