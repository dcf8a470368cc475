"""Scripts: short forms, and errors that name file and field."""

from importlib.resources import files
from pathlib import Path

import pytest

from simulators.twilio import steps
from simulators.twilio.script import Script, ScriptError, load_script


def test_short_and_long_forms_mean_the_same() -> None:
    script = Script.parse(
        {
            "steps": [
                "wait_for_agent_speech",
                {"wait_for_agent_silence": {"silence_ms": 500}},
                {"say": "caller-1"},
                {"say": {"recording": "caller-1"}},
                {"dtmf": "12#"},
                {"pause_ms": 40},
                {"side_socket": None},
                {"repeat": {"times": 3, "steps": [{"say": "caller-2"}, {"pause_ms": 5}]}},
                {"hangup": None},
            ]
        }
    )
    assert script.steps[2] == script.steps[3] == steps.Say(kind="say", recording="caller-1")
    assert script.steps[5] == steps.PauseFor(kind="pause_ms", ms=40)
    assert isinstance(script.steps[6], steps.SideSocket)
    assert isinstance(script.steps[7], steps.Repeat)
    assert len(script.steps[7].steps) == 2


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([], "the document"),
        ({}, "steps: Field required"),
        ({"steps": []}, "steps"),
        ({"stepz": 1, "steps": ["hangup"]}, "stepz: Extra inputs"),
        ({"steps": ["fly", "hangup"]}, r"steps\[0\]"),
        ({"steps": [{"say": "caller-9"}, "hangup"]}, r"steps\[0\]\.say\.recording.*no recording 'caller-9'"),
        ({"steps": [{"interrupt": {"say": "caller-1"}}, "hangup"]}, r"after_ms_of_agent_speech: Field required"),
        ({"steps": [{"dtmf": "abc"}, "hangup"]}, r"steps\[0\]\.dtmf\.digits"),
        ({"steps": [{"pause_ms": -1}, "hangup"]}, r"steps\[0\]\.pause_ms\.ms"),
        ({"steps": ["hangup", {"pause_ms": 1}]}, "step 0 ends the call"),
        ({"steps": [{"pause_ms": 1}]}, "last step must be"),
        ({"steps": [{"repeat": {"times": 0, "steps": ["wait_for_dial"]}}, "hangup"]}, r"repeat\.times"),
        (
            {"steps": [{"repeat": {"times": 2, "steps": ["hangup"]}}, "hangup"]},
            r"steps\[0\]\.repeat\.steps.*cannot end",
        ),
        ({"steps": ["hangup"], "faults": {"socket_signature": "odd"}}, r"faults\.socket_signature"),
    ],
)
def test_a_wrong_script_is_refused_naming_file_and_field(data: object, where: str) -> None:
    with pytest.raises(ScriptError, match=r"^a\.yaml: .*" + where):
        Script.parse(data, "a.yaml")


def test_a_file_that_is_missing_or_not_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"gone\.yaml"):
        load_script(tmp_path / "gone.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("steps: [", encoding="utf-8")
    with pytest.raises(ScriptError, match=r"broken\.yaml.*line 1"):
        load_script(broken)


def test_every_packaged_script_is_valid() -> None:
    names = [entry.name for entry in (files("simulators.people") / "scripts").iterdir()]
    assert "barge-in.yaml" in names
    for name in names:
        assert load_script(name.removesuffix(".yaml")).steps
