"""One sentence per file: its first line says what it is for."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("libs", "services", "tests", "docs")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

A_SECOND_SENTENCE = re.compile(r"[.!?]\s+[A-Z`]")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_begins_with_one_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "no module docstring"
    first_line = docstring.splitlines()[0]
    assert first_line.endswith((".", "!", "?", ":")), f"not a sentence: {first_line}"
    assert not A_SECOND_SENTENCE.search(first_line), f"more than one sentence: {first_line}"
