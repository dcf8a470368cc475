"""Tokens used, as metrics."""

from common import metrics
from common.messages.facts import UsageReported


def count_tokens(usage: UsageReported) -> None:
    """Count each token once: cached input under its own kind, not among the rest of the input as well."""
    for kind, direction, count in (
        ("text", "input", usage.input_text_tokens - usage.cached_text_tokens),
        ("audio", "input", usage.input_audio_tokens - usage.cached_audio_tokens),
        ("cached_text", "input", usage.cached_text_tokens),
        ("cached_audio", "input", usage.cached_audio_tokens),
        ("text", "output", usage.output_text_tokens),
        ("audio", "output", usage.output_audio_tokens),
    ):
        metrics.TOKENS.labels(usage.model, kind, direction).inc(count)
