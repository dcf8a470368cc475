"""The tables of docs/reliability.md are made from figures, never by hand."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
NONE = {"p50": None, "p99": None, "max": None}
ROW = {
    "fault": "worker_kill",
    "what": "kill -9 of a worker",
    "offered": 50,
    "held": 50,
    "lost": 0,
    "affected": 13,
    "gap_ms": {"p50": 0.4, "p99": 310.2, "max": 322.0},
    "notice_ms": {"p50": 5.0, "p99": 8.0, "max": 9.0},
    "asked_ms": {"p50": 9.0, "p99": 30.0, "max": 41.0},
    "ready_ms": NONE,
    "speaking_ms": NONE,
    "reattached_ms": NONE,
    "double_talk_frames": 0,
    "items_missing": 0,
    "tools_twice": 0,
    "leaked": 0,
    "marks": [{"column": "asked_ms", "statistic": "p99", "at_most_ms": 50, "measured_ms": 30.0, "is_met": True}],
}
SLOW = {"column": "gap_ms", "statistic": "p99", "at_most_ms": 300, "measured_ms": 310.2, "is_met": False}
LOSING = ROW | {"what": "kill -9 of an edge", "held": 49, "lost": 1, "double_talk_frames": 3, "marks": [SLOW]}


OUTAGE = {
    "outage": "openai_away",
    "what": "everything answers 503",
    "offered": 23,
    "held": 23,
    "spoken_to_ms": {"p50": 900.0, "p99": 1400.4, "max": 1400.4},
    "answered_ms": {"p50": 20100.0, "p99": 25000.0, "max": 25000.0},
    "gap_ms": {"p50": 100.0, "p99": 700.0, "max": 700.0},
    "spoke_ms": {"p50": 2050.0, "p99": 2100.0, "max": 2100.0},
    "back_ms": NONE,
    "levels": {"L0→L2→L3→L0": 20, "L2→L3": 3},
    "has_tripped": True,
    "wrong": [],
    "marks": [{"column": "spoke_ms", "statistic": "p99", "at_most_ms": 2000, "measured_ms": 2100.0, "is_met": False}],
}
LOST = OUTAGE | {"what": "a replica dies", "held": 22, "has_tripped": False, "wrong": ["one", "two"], "marks": []}


def report(*rows: object, outages: Sequence[object] = ()) -> object:
    settings = {"calls": 50, "workers": 4, "edges": 2, "warm_sessions": 20}
    faults = {"settings": settings, "rows": rows}
    others = {"outage_settings": {"calls": 20, "fallbacks": 2, "FALLBACK_BREAKER_OPEN_S": "1"}, "outages": outages}
    return {"machine": {"cores": 2, "python": "3.11.7"}, "seed": 7, **faults, **others}


def fill(directory: Path, figures: object, page: str | None = None) -> subprocess.CompletedProcess[str]:
    given = directory / "chaos.json"
    given.write_text(json.dumps(figures))
    (directory / "page.md").write_text(page or (ROOT / "docs" / "reliability.md").read_text())
    command = [sys.executable, str(ROOT / "docs" / "chaos_table.py"), "--figures", str(given)]
    command += ["--page", str(directory / "page.md")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_fault_is_a_row_and_what_went_wrong_stands_out(tmp_path: Path) -> None:
    done = fill(tmp_path, report(ROW, LOSING))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text()
    spreads = "13 | 0 / 310 / 322 | 5 / 8 / 9 | 9 / 30 / 41 | – | – | –"
    assert f"| kill -9 of a worker | 50 of 50 | {spreads} | 0 | 0 | 0 | 0 |" in page
    assert f"| kill -9 of an edge | 49 of 50, **1 lost** | {spreads} | **3** | 0 | 0 | 0 |" in page
    assert "50 calls, 4 workers, 2 edges, 20 warm sessions; 2 cores shared by all, Python 3.11.7, seed 7." in page
    assert "* kill -9 of an edge: gap p99 310 ms, at most 300 wanted\n" in page
    assert page.split("<!-- chaos table: ")[1].count(" wanted") == 1


def test_every_outage_is_a_row_with_the_levels_its_calls_went_through(tmp_path: Path) -> None:
    done = fill(tmp_path, report(outages=[OUTAGE, LOST]))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text()
    times = "900 / 1400 / 1400 | 20100 / 25000 / 25000 | 100 / 700 / 700 | 2050 / 2100 / 2100 | –"
    levels = "20 × L0→L2→L3→L0; 3 × L2→L3"
    assert f"| everything answers 503 | 23 of 23 | {times} | {levels} | opened | 0 |" in page
    assert f"| a replica dies | 22 of 23, **1 lost** | {times} | {levels} | closed | **2** |" in page
    assert "20 calls, 2 fallbacks; 2 cores shared by all, Python 3.11.7, seed 7." in page
    assert "Shortened for the test: `FALLBACK_BREAKER_OPEN_S=1`.\n" in page
    assert "* everything answers 503: spoke p99 2100 ms, at most 2000 wanted\n" in page


def test_a_group_that_was_left_out_keeps_its_figures(tmp_path: Path) -> None:
    assert fill(tmp_path, report(ROW, outages=[OUTAGE])).returncode == 0
    both = (tmp_path / "page.md").read_text()
    assert fill(tmp_path, report(outages=[LOST]), page=both).returncode == 0
    page = (tmp_path / "page.md").read_text()
    assert "| kill -9 of a worker | 50 of 50 |" in page
    assert "| a replica dies |" in page
    assert "| everything answers 503 |" not in page


def test_new_figures_replace_the_old_ones_and_nothing_else(tmp_path: Path) -> None:
    assert fill(tmp_path, report(ROW)).returncode == 0
    once = (tmp_path / "page.md").read_text()
    assert fill(tmp_path, report(ROW), page=once).returncode == 0
    assert (tmp_path / "page.md").read_text() == once
    before = (ROOT / "docs" / "reliability.md").read_text()
    marker = "<!-- chaos table: "
    assert before.split(marker)[0] == once.split(marker)[0]
    assert before.split(marker)[2] == once.split(marker)[2]


def test_without_figures_it_says_how_to_make_them(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "docs" / "chaos_table.py"), "--figures", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "run `make chaos` first" in done.stderr


def test_figures_that_are_none_leave_the_page_as_it_was(tmp_path: Path) -> None:
    done = fill(tmp_path, report({"fault": "x"}))
    assert done.returncode == 1
    assert "KeyError" in done.stderr
    assert (tmp_path / "page.md").read_text() == (ROOT / "docs" / "reliability.md").read_text()
