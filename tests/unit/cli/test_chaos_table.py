"""The table of docs/reliability.md is made from figures, never by hand."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROW = {
    "fault": "worker kill -9",
    "offered": 50,
    "held": 50,
    "lost": 0,
    "gap_ms": {"p50": 0.4, "p99": 310.2, "max": 322.0},
    "notice_ms": {"p50": 5.0, "p99": 8.0, "max": 9.0},
    "asked_ms": {"p50": 9.0, "p99": 30.0, "max": 41.0},
    "ready_ms": None,
    "double_talk_frames": 0,
    "items_missing": 0,
    "tools_twice": 0,
    "leaked": 0,
}
LOSING = ROW | {"fault": "edge kill -9", "held": 49, "lost": 1, "double_talk_frames": 3}


def fill(directory: Path, figures: object, page: str | None = None) -> subprocess.CompletedProcess[str]:
    given = directory / "chaos.json"
    given.write_text(json.dumps(figures))
    (directory / "page.md").write_text(page or (ROOT / "docs" / "reliability.md").read_text())
    command = [sys.executable, str(ROOT / "docs" / "chaos_table.py"), "--figures", str(given)]
    command += ["--page", str(directory / "page.md")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_fault_is_a_row_and_what_went_wrong_stands_out(tmp_path: Path) -> None:
    assert fill(tmp_path, {"seed": 7, "rows": [ROW, LOSING]}).returncode == 0
    page = (tmp_path / "page.md").read_text()
    spreads = "0 / 310 / 322 | 5 / 8 / 9 | 9 / 30 / 41 | – | –"
    assert f"| worker kill -9 | 50 of 50 | {spreads} | 0 | 0 | 0 | 0 |" in page
    assert f"| edge kill -9 | 49 of 50, **1 lost** | {spreads} | **3** | 0 | 0 | 0 |" in page
    assert "seed 7." in page


def test_new_figures_replace_the_old_ones_and_nothing_else(tmp_path: Path) -> None:
    assert fill(tmp_path, [ROW]).returncode == 0
    once = (tmp_path / "page.md").read_text()
    assert fill(tmp_path, [ROW], page=once).returncode == 0
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
    done = fill(tmp_path, {"rows": [{"fault": "x"}]})
    assert done.returncode == 1
    assert "KeyError" in done.stderr
    assert (tmp_path / "page.md").read_text() == (ROOT / "docs" / "reliability.md").read_text()
