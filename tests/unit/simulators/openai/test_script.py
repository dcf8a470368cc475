"""Scripts: what is wrong with one is said with file and field."""

from importlib.resources import files
from pathlib import Path

import pytest

from simulators.openai.script import FALLBACK, ScriptError, load
from simulators.openai.voices import Voice, tone
from unit.simulators.openai.rig import shared

NAMES = shared()[0].names
GOOD = """
defaults: {first_audio_ms: 200, speed: 4, delta_ms: 100}
transcription: {delay_ms: 100}
account: {bad_keys: [sk-bad], unavailable_models: [gpt-nope], max_session_s: 120}
replies:
  - {when: greeting, voice: agent-greeting}
  - {when: {caller_said: "open|hours"}, voice: agent-opening-hours, first_audio_ms: 0}
  - {when: {turn: 2, recording: caller-5}, say: "hm", length_ms: 900, times: 1}
  - {when: default, say: "Yes.", tool_call: {name: end_call}}
faults:
  - {kind: close, code: 1011, at: {after_s: 5}, target: {numbers: [2]}}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "script.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_with_everything_is_read(tmp_path: Path) -> None:
    script = load(written(tmp_path, GOOD), NAMES)
    assert [rule.conditions.turn for rule in script.replies] == [None, None, 2, None]
    assert script.replies[0].conditions.greeting
    assert script.faults[0].kind == "close"
    assert script.account.max_session_s == 120


def test_the_scripts_that_come_with_it_are_right() -> None:
    shipped = sorted((files("simulators.openai") / "scripts").iterdir(), key=str)
    assert shipped
    for path in shipped:
        assert load(Path(str(path)), NAMES).replies


def test_an_empty_script_has_the_fallback_only(tmp_path: Path) -> None:
    assert load(written(tmp_path, ""), NAMES).replies == ()
    assert FALLBACK.say


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("replies: [{when: default}]", "replies[0]"),
        ("replies: [{when: default, voice: nobody}]", "replies[0].voice"),
        ("replies: [{when: {recording: nobody}, say: x}]", "replies[0].when.recording"),
        ("replies: [{when: {caller_said: '('}, say: x}]", "replies[0].when.caller_said"),
        ("replies: [{when: {turn: 0}, say: x}]", "replies[0].when.turn"),
        ("replies: [{when: default, say: x, sped: 2}]", "replies[0].sped"),
        ("replies: [{when: default, voice: agent-i-see, length_ms: 50}]", "replies[0]"),
        ("defaults: {speed: 0}", "defaults.speed"),
        ("faults: [{kind: close, code: 5}]", "faults[0]"),
        ("replay: []", "replay"),
        ("replies: [", "script.yaml"),
    ],
)
def test_an_error_names_file_and_field(tmp_path: Path, text: str, field: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ScriptError) as error:
        load(path, NAMES)
    assert str(path) in str(error.value)
    assert field in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="absent"):
        load(tmp_path / "absent.yaml", NAMES)


def test_a_tone_is_as_long_as_its_text_and_always_the_same() -> None:
    assert tone("Hello there, how are you?") == tone("Hello there, how are you?")
    assert tone("a long sentence " * 5).duration_ms > tone("short").duration_ms
    assert tone("x", 1234).duration_ms == 1234
    assert len(set(tone("x", 1234).pcmu)) > 50


def test_deltas_join_to_the_whole_audio() -> None:
    from base64 import b64decode

    voice = Voice(bytes(range(256)) * 10)
    deltas = voice.deltas(100)
    assert b"".join(map(b64decode, deltas)) == voice.pcmu
    assert [len(b64decode(delta)) for delta in deltas] == [800, 800, 800, 160]
