"""Call records as JSON lines."""

import json
import logging
from pathlib import Path

import pytest

from edge.records import RecordFile


async def test_each_record_is_one_line_whatever_it_holds(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "deep" / "calls.jsonl")
    records = [{"call_id": "CA1", "text": "one\ntwo\u2028もしもし"}, {"call_id": "CA2", "text": "x" * 100_000}]
    for record in records:
        await file.append(record)
    lines = (tmp_path / "deep" / "calls.jsonl").read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == records


async def test_without_a_file_nothing_is_written() -> None:
    await RecordFile(None).append({"call_id": "CA1"})


async def test_a_file_that_cannot_be_written_is_said_and_costs_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.ERROR, "trunkline.records"):
        await RecordFile(tmp_path / "file" / "calls.jsonl").append({"text": "secret words"})
    assert "could not be written" in caplog.text
    assert "secret words" not in caplog.text
