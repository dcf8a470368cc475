"""How long to wait before the next try: exponential, capped, jittered."""

import random
from collections.abc import Iterator


def delays(first_s: float, cap_s: float, *, jitter: float = 0.2, rng: random.Random | None = None) -> Iterator[float]:
    """Seconds to wait before each further try: doubling from `first_s` to `cap_s`, each ± `jitter` of itself."""
    draw = (rng or random.Random()).uniform  # noqa: S311 - spreading retries, not a secret
    wait = first_s
    while True:
        yield wait * draw(1 - jitter, 1 + jitter)
        wait = min(wait * 2, cap_s)
