"""How long most of the answers took."""

from collections.abc import Sequence


def percentile(values: Sequence[int], percent: int) -> int | None:
    """The value that `percent` of all are not above (nearest rank); None of none."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(rank, 1) - 1]
