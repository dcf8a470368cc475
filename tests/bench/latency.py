"""Percentiles of latency samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """What a row says of one latency, in milliseconds; all None when there was no sample."""

    p50: float | None
    p99: float | None
    max: float | None
    n: int


def summarise(samples_s: Sequence[float]) -> Summary:
    """Nearest-rank percentiles of samples in seconds, so that every number printed was really measured."""
    ordered = sorted(samples_s)
    if not ordered:
        return Summary(None, None, None, 0)
    return Summary(_ms(_rank(ordered, 0.5)), _ms(_rank(ordered, 0.99)), _ms(ordered[-1]), len(ordered))


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
