"""What was said and done in a call, as rows: turns, answers' times, tools, tokens."""

from typing import assert_never

from common.messages import facts
from orchestrator.core.cost import PriceTable, Tokens
from orchestrator.core.record_vocabulary import Claim, Entry, Stamp, Value, row


def turn(fact: facts.CallerSaid | facts.AgentSaid | facts.DigitsPressed) -> dict[str, Value]:
    """The columns of a turn. Keys are turns too: the caller answered with them."""
    values: dict[str, Value] = {"heard_ms": None, "audio_ms": None, "is_interrupted": False, "is_unfinished": False}
    match fact:
        case facts.DigitsPressed():
            keys = {"speaker": "caller", "kind": "keys", "item_id": "", "text": fact.digits}
            return {**values, **keys, "start_ms": fact.at_ms, "end_ms": fact.at_ms}
        case facts.CallerSaid():
            values["speaker"] = "caller"
        case facts.AgentSaid():
            values |= {
                "speaker": "agent",
                "heard_ms": fact.heard_ms,
                "audio_ms": fact.audio_ms,
                "is_interrupted": fact.is_interrupted,
                "is_unfinished": fact.is_unfinished,
            }
        case _:
            assert_never(fact)
    speech = {"kind": "speech", "item_id": fact.item_id, "text": fact.text}
    return {**values, **speech, "start_ms": fact.start_ms, "end_ms": fact.end_ms}


def turn_started(fact: facts.TurnStarted, stamp: Stamp) -> tuple[Entry, ...]:
    """How long the caller waited, if this is an answer."""
    if fact.response_ms is None:
        return ()
    return (row("response_times", fact, stamp, item_id=fact.item_id, response_ms=fact.response_ms),)


def tool_key(fact: facts.ToolCalled | facts.ToolReturned) -> dict[str, Value]:
    """The row both facts of a tool call write to."""
    return {"call_id": fact.call_id, "tool_call_id": fact.tool_call_id}


def tool_called(fact: facts.ToolCalled, stamp: Stamp) -> Claim:
    """What the model asked for."""
    values: dict[str, Value] = {
        "name": fact.name,
        "arguments": fact.arguments,
        "epoch": fact.epoch,
        "at_ms": fact.at_ms,
    }
    return Claim("tool_calls", tool_key(fact), "called", stamp.sequence, values)


def usage(fact: facts.UsageReported, prices: PriceTable) -> dict[str, Value]:
    """A response's tokens with their price as the table has it now."""
    text = Tokens(fact.input_text_tokens, fact.cached_text_tokens, fact.output_text_tokens)
    audio = Tokens(fact.input_audio_tokens, fact.cached_audio_tokens, fact.output_audio_tokens)
    return {
        "response_id": fact.response_id,
        "model": fact.model,
        "input_text_tokens": text.input,
        "input_audio_tokens": audio.input,
        "cached_text_tokens": text.cached,
        "cached_audio_tokens": audio.cached,
        "output_text_tokens": text.output,
        "output_audio_tokens": audio.output,
        "cost_picodollars": prices.cost(fact.model, text, audio),
        "price_version": prices.version,
    }
