"""What `design.md` §12 asks of trunkline, held against the rows; informs, never fails a run."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

Row = dict[str, Any]

SUT: Final = "trunkline"
RATIO_AT_LEAST: Final = {20: 0.8, 80: 1.4, 200: 1.8}
AT_MOST: Final = (("uplink_ms", 10.0), ("first_audio_ms", 5.0), ("clear_ms", 10.0))
RSS_MB_AT_MOST: Final = 0.5


def judge(rows: Sequence[Row]) -> list[Row]:
    """Each target that the rows can answer: `name`, `calls`, `measured`, `limit`, `met`."""
    return [target for row in rows if row["sut"] == SUT for target in _targets(row)]


def _targets(row: Row) -> Iterator[Row]:
    calls = row["calls"]
    ratio = row.get("ratio_to_bridge")
    if ratio is not None and calls in RATIO_AT_LEAST:
        yield _target(row, "ratio_to_bridge ≥", ratio, RATIO_AT_LEAST[calls], ratio >= RATIO_AT_LEAST[calls])
    for name, limit in AT_MOST:
        p99 = row.get(name, {}).get("p99")
        if p99 is not None:
            yield _target(row, f"{name} p99 ≤", p99, limit, p99 <= limit)
    rss = row.get("rss_mb_per_call")
    if rss is not None:
        yield _target(row, "rss_mb_per_call ≤", rss, RSS_MB_AT_MOST, rss <= RSS_MB_AT_MOST)


def _target(row: Row, name: str, measured: float, limit: float, met: bool) -> Row:
    return {"name": name, "calls": row["calls"], "measured": measured, "limit": limit, "met": met}
