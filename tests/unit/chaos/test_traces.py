"""Records that are missing or doubled are found, and metrics are summed over members and labels."""

import json
from pathlib import Path

from chaos.scrape import Scraped, read
from chaos.traces import not_recorded_once

PAGE = """# HELP trunkline_stage_attempts_total Attempts
# TYPE trunkline_stage_attempts_total counter
trunkline_stage_attempts_total{endpoint="openai",result="ok",stage="chat"} 3.0
trunkline_stage_attempts_total{endpoint="openai",result="throttled",stage="chat"} 2.0
trunkline_stage_attempts_total{endpoint="openai",result="throttled",stage="speech"} 1.0
# HELP trunkline_breaker_deciding 1 in the replica that decides
# TYPE trunkline_breaker_deciding gauge
trunkline_breaker_deciding 1.0
"""


def written(directory: Path, *call_ids: str) -> Path:
    file = directory / "calls.jsonl"
    file.write_text("".join(json.dumps({"call_id": call_id}) + "\n" for call_id in call_ids))
    return file


async def test_every_call_has_exactly_one_record(tmp_path: Path) -> None:
    file = written(tmp_path, "CA1", "CA2", "CA2", "CA9")
    assert await not_recorded_once(file, ["CA1", "CA9"], 0) == []
    assert await not_recorded_once(file, ["CA1", "CA2", "CA3"], 0) == [
        "call CA2 has 2 records",
        "call CA3 has 0 records",
    ]
    assert await not_recorded_once(tmp_path / "none", ["CA1"], 0) == ["call CA1 has 0 records"]


def test_metrics_are_summed_over_members_and_over_the_labels_that_are_not_asked_for() -> None:
    pages = Scraped((*read(PAGE), *read(PAGE)))
    assert pages.total("trunkline_stage_attempts_total", {"result": "throttled"}) == 6
    assert pages.total("trunkline_stage_attempts_total", {"result": "throttled", "stage": "speech"}) == 2
    assert pages.total("trunkline_stage_attempts_total") == 12
    assert pages.total("trunkline_stage_attempts_total", {"result": "deadline"}) == 0
    assert [each.value for each in pages.of("trunkline_breaker_deciding")] == [1, 1]
