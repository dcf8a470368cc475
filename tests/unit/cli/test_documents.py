"""What the documents name exists: tests, metrics, commands, files."""

import re
from pathlib import Path

import pytest

from common import metrics
from trunkline.cli import cli

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")] + sorted(
    page for page in (ROOT / "docs").rglob("*.md")
)
SOURCES = [
    f"/{path.relative_to(ROOT)}"
    for part in ("libs", "services", "docs", "tests")
    for path in (ROOT / part).rglob("*.py")
]
TESTS = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_file_and_test_it_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    missing += [name for name in re.findall(r"`(tests/[\w./]+)`", text) if not (ROOT / name).exists()]
    missing += [
        name for name in re.findall(r"`([\w/]+\.py)`", text) if not any(path.endswith(name) for path in SOURCES)
    ]
    missing += [name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in TESTS]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_command_exists(page: Path) -> None:
    named = re.findall(r"(?:`|bin/|^)trunkline (\w+)", page.read_text("utf-8"), re.MULTILINE)
    assert set(named) <= set(cli.commands)


def test_the_metrics_to_watch_exist() -> None:
    named = set(re.findall(r"`(trunkline_\w+)", (ROOT / "docs" / "reliability.md").read_text("utf-8")))
    ours = {metric._name for metric in vars(metrics).values() if hasattr(metric, "_name")}
    assert {name.removesuffix("_total") for name in named} <= ours
