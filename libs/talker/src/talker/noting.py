"""What a conversation has noticed, told to the metrics and the breaker."""

from typing import TypeAlias, assert_never

from common import metrics
from talker.core.vocabulary import (
    CountProviderError,
    CountRevision,
    CountToolRefused,
    CountTruncateError,
    NoteApplied,
    NoteBargeIn,
    NoteFirstAudio,
    ReportResponse,
)
from talker.outcomes import Outcomes

Note: TypeAlias = (
    ReportResponse
    | NoteFirstAudio
    | NoteBargeIn
    | NoteApplied
    | CountProviderError
    | CountTruncateError
    | CountRevision
    | CountToolRefused
)


def note(what: Note, provider: str, model: str, outcomes: Outcomes) -> None:
    """Count it, or tell how a response went."""
    match what:
        case ReportResponse(error_code, latency_s):
            outcomes.responded(provider, model, error_code, latency_s)
        case NoteFirstAudio(seconds):
            metrics.FIRST_AUDIO.labels(model).observe(seconds)
        case NoteBargeIn(stop_s):
            metrics.BARGE_INS.labels(model).inc()
            metrics.BARGE_IN_STOP.labels(model).observe(stop_s)
        case CountProviderError(code):
            metrics.PROVIDER_ERRORS.labels(provider, code).inc()
        case CountTruncateError():
            metrics.TRUNCATE_ERRORS.labels(model).inc()
        case CountRevision(result):
            metrics.INSTRUCTION_REVISIONS.labels(result).inc()
        case NoteApplied(seconds):
            metrics.INSTRUCTIONS_APPLY.observe(seconds)
        case CountToolRefused(why):
            metrics.TOOLS_REFUSED.labels(why).inc()
        case _:
            assert_never(what)
