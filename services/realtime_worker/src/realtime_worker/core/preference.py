"""Which endpoint a call is opened at: the first of the list that its breaker allows, the others after it."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Key: TypeAlias = tuple[str, str]
"""Provider and model, as breakers are named."""


def may_have(endpoint: Key, shares: Mapping[Key, float], place: float) -> bool:
    """True if this endpoint may be given the call at `place`. `shares` as for `order`."""
    return place < shares.get(endpoint, 1.0)


def order(endpoints: Sequence[Key], shares: Mapping[Key, float], place: float, *, has_failed: bool) -> tuple[int, ...]:
    """The indexes of `endpoints` in the order in which to try them, each once.

    `shares`: of new calls each may be given, by its breaker; one without a breaker works. `has_failed`: the call has
    just lost its session, so the endpoint that would be its first comes after the others that are allowed. Those that
    are not allowed come last: with nobody else to talk, a bad chance is better than none.
    """
    allowed = [index for index, key in enumerate(endpoints) if may_have(key, shares, place)]
    if has_failed:
        allowed = allowed[1:] + allowed[:1]
    return (*allowed, *(index for index in range(len(endpoints)) if index not in allowed))
