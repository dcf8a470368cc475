"""`trunkline demo`: what `make demo` shows and leaves behind."""

import json
import wave
from array import array
from pathlib import Path

import pytest

from e2e.command import ROOT, environment, trunkline

SPOKEN = [
    "he was not an ill disposed young man",
    "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "he might even have been made amiable himself",
]
GREETING = "Hello, this is the reading room support desk. How can I help you today?"


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Where the demo can run: it looks for the repository's agents beside it."""
    (tmp_path / "agents").symlink_to(ROOT / "agents")
    return tmp_path


async def test_the_demo_is_a_conversation_and_leaves_its_recording_and_report(workplace: Path) -> None:
    env = environment(OPENAI_API_KEY="sk-the-operators-own-which-the-demo-must-not-touch")
    async with trunkline("demo", "--json", cwd=workplace, env=env) as demo:
        assert await demo.ended(120) == 0, (demo.errors, demo.events)
    assert demo.events[-1]["ok"] is True
    assert {event["event"] for event in demo.events} == {"timeline", "draining", "result"}

    report = json.loads((workplace / "build/demo/call.json").read_text())
    turns = report["turns"]
    assert [turn["text"] for turn in turns if turn["speaker"] == "caller"] == SPOKEN
    assert [turn["speaker"] for turn in turns] == ["agent", "caller", "agent", "caller", "agent", "caller", "agent"]
    assert turns[0]["text"] == GREETING
    assert all(turn["heard_ms"] > 1000 and turn["end_ms"] > turn["start_ms"] for turn in turns)
    (barge_in,) = report["barge_ins"]
    assert 0 <= barge_in["silent_after_ms"] <= 300
    assert turns[2]["start_ms"] < barge_in["onset_ms"] < turns[2]["end_ms"] + 300
    assert report["epochs"] == [1]
    assert len(report["latencies_ms"]["response"]) == 3
    assert 20 < report["duration_s"] < 60

    with wave.open(str(workplace / "build/demo/call.wav")) as recording:
        assert (recording.getnchannels(), recording.getsampwidth(), recording.getframerate()) == (2, 2, 8000)
        seconds = recording.getnframes() / 8000
        samples = array("h", recording.readframes(recording.getnframes()))
    assert seconds == pytest.approx(report["duration_s"], abs=1)
    for channel in (samples[0::2], samples[1::2]):
        assert sum(abs(sample) for sample in channel) / len(channel) > 100
    logs = "".join(path.read_text() for path in (workplace / "build/demo").glob("*.log"))
    assert "Traceback" not in logs
    assert not any(said in logs for said in (*SPOKEN, GREETING))


async def test_outside_the_repository_the_demo_says_where_to_run_it(tmp_path: Path) -> None:
    async with trunkline("demo", cwd=tmp_path, env=environment()) as demo:
        assert await demo.ended() == 2
    assert demo.errors == "error: there is no agents/ here: run the demo in the repository's root directory\n"


async def test_the_demo_of_a_transfer_shows_one_in_vain_and_one_with_a_summary(workplace: Path) -> None:
    async with trunkline("demo", "--transfer", "--json", cwd=workplace, env=environment()) as demo:
        assert await demo.ended(120) == 0, (demo.errors, demo.events)
    report = json.loads((workplace / "build/demo/transfer.json").read_text())
    in_vain, reached = report["transfers"]
    assert (in_vain["to"], in_vain["status"], in_vain["human_heard"]) == ("front-desk", "busy", [])
    assert (reached["to"], reached["has_talked"]) == ("lending", True)
    (summary,) = reached["human_heard"]
    assert summary.endswith("The front desk was busy.")
    assert [turn["speaker"] for turn in report["turns"]] == ["agent", "caller", "agent", "agent", "caller", "agent"]
    assert "could not be reached" in report["turns"][3]["text"]
    assert report["epochs"] == [1, 2]
    logs = "".join(path.read_text() for path in (workplace / "build/demo").glob("*.log"))
    assert "Traceback" not in logs
    assert not any(secret in logs for secret in (summary, "+15550100300", "+15550100301"))
