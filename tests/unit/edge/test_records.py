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


async def test_who_waits_for_a_record_is_told_once_it_is_safe(tmp_path: Path) -> None:
    told: list[str] = []
    await RecordFile(tmp_path / "calls.jsonl", told.append).append({"call_id": "CA1"})
    await RecordFile(None, told.append).append({"call_id": "CA2"})
    assert told == ["CA1", "CA2"]


async def test_a_record_that_could_not_be_written_is_not_told(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "file").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("trunkline.records"), "disabled", True)
        await RecordFile(tmp_path / "file" / "calls.jsonl", told.append).append({"call_id": "CA1"})
    assert told == []


async def test_the_file_knows_which_calls_it_holds(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "calls.jsonl")
    assert not await file.holds("CA1")
    await file.append({"call_id": "CA1", "text": '"call_id": "CA2"'})
    assert await file.holds("CA1")
    assert not await file.holds("CA2")
    assert not await file.holds("CA")
    assert not await RecordFile(None).holds("CA1")
