"""Recorded calls as lines for people, with as much of their numbers as the reader should see."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from orchestrator.records.answers import CallRecord, CallSummary, Cost, FallbackEventAnswer, TurnAnswer

HEADER: Final = ("CALL", "WHEN", "PROFILE", "CALLER", "LENGTH", "LEVEL", "AGENT", "ENDED", "COST")
_SHOWN_DIGITS: Final = 4


def row(call: CallSummary, *, shows_numbers: bool) -> tuple[str, ...]:
    """One call of a list."""
    return tuple(
        printable(cell)
        for cell in (
            call.call_id,
            _when(call.started_at or call.first_seen_at),
            call.profile or "",
            number(call.caller_number, shows_numbers=shows_numbers),
            _length(call.duration_ms),
            f"L{call.service_level}",
            call.agent or "",
            _end(call),
            _money(call.cost),
        )
    )


def lines(call: CallRecord, *, shows_numbers: bool) -> Iterator[str]:
    """One call with all that was said and done."""
    for name, value in _head(call, shows_numbers=shows_numbers):
        if value:
            yield printable(f"{name:<12} {value}")
    moments = [
        *((each.at_ms, f"epoch {each.epoch}: {each.talker_id} talks ({each.reason})") for each in call.sessions),
        *((each.start_ms, _said(each)) for each in call.turns),
        *(
            (each.at_ms or 0, f"tool {each.name or each.tool_call_id}: {_outcome(each.is_error)}")
            for each in call.tool_calls
        ),
        *((each.at_ms, _fell(each)) for each in call.fallback_events if each.kind != "handover"),
        *((each.at_ms, f"{each.kind.replace('_', ' ')}: {each.detail}") for each in call.incidents),
    ]
    for at_ms, text in sorted(moments, key=lambda moment: moment[0]):
        yield printable(f"{at_ms / 1_000:>9.1f} s  {text}")


def as_json(call: CallSummary, *, shows_numbers: bool) -> Mapping[str, Any]:
    """One call for machines."""
    shown = call.model_dump(mode="json")
    for name in ("caller_number", "caller_number_national", "dialled_number"):
        shown[name] = number(shown[name], shows_numbers=shows_numbers)
    return shown


def number(given: str | None, *, shows_numbers: bool) -> str:
    """The last four digits, or all of it."""
    known = printable(given or "")
    if shows_numbers or not known:
        return known
    return f"…{known[-_SHOWN_DIGITS:]}" if len(known) > _SHOWN_DIGITS else "…"


def printable(text: str) -> str:
    """Callers', models' and carriers' words are not trusted with the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _head(call: CallRecord, *, shows_numbers: bool) -> Iterator[tuple[str, str]]:
    yield "call", call.call_id
    yield "when", _when(call.started_at or call.first_seen_at)
    yield "profile", call.profile or ""
    yield "agent", call.agent or ""
    yield "caller", number(call.caller_number_national or call.caller_number, shows_numbers=shows_numbers)
    yield "served", f"{call.realtime_mode}, L{call.service_level}"
    yield "length", _length(call.duration_ms)
    yield "ended", _end(call)
    yield "cost", _money(call.cost)
    if call.metrics.answers:
        yield "answers", f"{call.metrics.answers}, p95 {call.metrics.response_ms_p95} ms"
    yield "barge-ins", str(call.metrics.barge_ins or "")
    if call.words_erased_at is not None:
        yield "words", f"deleted {_when(call.words_erased_at)}"


def _end(call: CallSummary) -> str:
    if call.transferred_to:
        return f"transferred to {call.transferred_to}"
    if call.end_reason:
        return call.end_reason.replace("_", " ")
    return "live" if call.is_live else "unknown"


def _said(turn: TurnAnswer) -> str:
    words = "(deleted)" if turn.text is None else f"“{turn.text}”"
    if turn.kind == "keys":
        return f"caller pressed {words}"
    waited = f" after {turn.response_ms} ms" if turn.response_ms is not None else ""
    return f"{turn.speaker}{waited}: {words}{' (cut off)' if turn.is_interrupted else ''}"


def _fell(event: FallbackEventAnswer) -> str:
    cause = f" ({event.cause.replace('_', ' ')})" if event.cause else ""
    if event.kind == "level":
        return f"service level L{event.level_after} after L{event.level_before}{cause}"
    return f"{event.kind.replace('_', ' ')}{cause}"


def _outcome(is_error: bool | None) -> str:
    return {None: "no result", True: "failed", False: "done"}[is_error]


def _money(cost: Cost) -> str:
    """Unknown is said; nothing used is nothing shown."""
    if cost.microdollars is None:
        return "unknown"
    return f"${cost.microdollars / 1_000_000:.4f}" if cost.price_versions else ""


def _length(duration_ms: int | None) -> str:
    return "" if duration_ms is None else f"{duration_ms / 1_000:.1f} s"


def _when(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
