"""Responses: tools, text, out of band, cancelling, usage, and which rule answers."""

import json

import pytest

from unit.simulators.openai.rig import Rig, audio_of

TOOL = {
    "when": {"caller_said": "disposed"},
    "say": "One moment.",
    "tool_call": {"name": "get_task", "arguments": {"id": 7, "note": "a long note that needs several deltas"}},
}
AFTER = {"when": {"tool_result": "get_task"}, "say": "It is done."}
SCRIPT = {"replies": [{"when": "greeting", "say": "Hello there."}, TOOL, AFTER, {"when": "default", "say": "Go on."}]}


@pytest.fixture
def rig() -> Rig:
    made = Rig(SCRIPT)
    made.phone()
    return made


def said(events: list[dict[str, object]]) -> str:
    done = Rig.of(events, "response.done")[-1]["response"]
    return " ".join(p["transcript"] for o in done["output"] if o["type"] == "message" for p in o["content"])


def test_a_tool_call_is_a_second_item_with_argument_deltas(rig: Rig) -> None:
    events = rig.say("caller-2") + rig.run(5)
    deltas = rig.of(events, "response.function_call_arguments.delta")
    (done,) = rig.of(events, "response.function_call_arguments.done")
    assert len(deltas) > 2
    assert "".join(event["delta"] for event in deltas) == done["arguments"]
    assert json.loads(done["arguments"])["id"] == 7
    message, call = rig.of(events, "response.done")[0]["response"]["output"]
    assert (message["type"], call["type"], call["name"]) == ("message", "function_call", "get_task")
    assert (call["call_id"], call["status"]) == (done["call_id"], "completed")
    added = [event["item"] for event in rig.of(events, "response.output_item.added")]
    assert added[1]["arguments"] == ""


def test_after_the_tools_result_its_own_rule_answers_and_no_other(rig: Rig) -> None:
    events = rig.say("caller-2") + rig.run(5)
    call_id = rig.of(events, "response.function_call_arguments.done")[0]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
    rig.send("conversation.item.create", item=output)
    assert said(rig.send("response.create") + rig.run(5)) == "It is done."


def test_a_text_response_has_no_audio(rig: Rig) -> None:
    events = rig.send("response.create", response={"output_modalities": ["text"], "metadata": {"a": "b"}}) + rig.run(5)
    assert not audio_of(events)
    assert "".join(e["delta"] for e in rig.of(events, "response.output_text.delta")) == "Hello there."
    (done,) = rig.of(events, "response.done")
    assert done["response"]["metadata"] == {"a": "b"}
    assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hello there."}]


def test_one_response_at_a_time_writes_to_the_conversation(rig: Rig) -> None:
    (created, _) = rig.send("response.create")
    error = rig.refused("response.create")
    assert error["code"] == "conversation_already_has_active_response"
    assert created["response"]["id"] in error["message"]
    rig.run(5)
    assert rig.types(rig.send("response.create"))[0] == "response.created"


def test_responses_out_of_band_run_beside_it_and_leave_no_item(rig: Rig) -> None:
    rig.send("response.create")
    (created, _) = rig.send("response.create", response={"conversation": "none", "input": []})
    events = rig.run(5)
    assert created["response"]["conversation_id"] is None
    assert len(rig.of(events, "response.done")) == 2
    assert len(rig.session.conversation) == 1
    assert len(rig.of(events, "conversation.item.added")) == 1


def test_a_turn_that_is_told_in_writing_is_answered_as_the_recording_it_writes_down() -> None:
    rig = Rig({"replies": [{"when": {"recording": "caller-2"}, "say": "I heard you."}]})
    rig.phone()
    rig.item("user", "he was not an ill disposed young man")
    assert said(rig.send("response.create") + rig.run(5)) == "I heard you."
    rig.item("user", "something else")
    assert said(rig.send("response.create") + rig.run(5)) == "All right."


def test_a_response_with_input_of_its_own_does_not_see_the_conversation(rig: Rig) -> None:
    item_id = rig.item("user", "ill disposed")["id"]
    empty = rig.send("response.create", response={"conversation": "none", "input": []}) + rig.run(5)
    assert said(empty) == "Hello there."
    reference = {"conversation": "none", "input": [{"type": "item_reference", "id": item_id}]}
    assert said(rig.send("response.create", response=reference) + rig.run(5)) == "One moment."
    missing = {"conversation": "none", "input": [{"type": "item_reference", "id": "gone"}]}
    assert rig.refused("response.create", response=missing)["param"] == "response.input[0].id"


@pytest.mark.parametrize(
    ("response", "param"),
    [
        ({"conversation": "mine"}, "response.conversation"),
        ({"output_modalities": ["audio", "text"]}, "response.output_modalities"),
        ({"metadata": {"k" * 65: "v"}}, "response.metadata"),
        ({"audio": {"output": {"voice": "robot"}}}, "response.audio.output.voice"),
        ({"audio": {"output": {"format": {"type": "audio/pcma"}}}}, "response.audio.output.format.type"),
        (
            {"input": [{"type": "message", "role": "user", "content": [{"type": "output_text", "text": "x"}]}]},
            "response.input[0].content[0].type",
        ),
    ],
)
def test_impossible_overrides_are_refused(rig: Rig, response: dict[str, object], param: str) -> None:
    assert rig.refused("response.create", response=response)["param"] == param


def test_cancelling_closes_what_was_announced(rig: Rig) -> None:
    rig.send("response.create")
    events = rig.send("response.cancel")
    assert rig.types(events) == ["response.done"]
    assert events[0]["response"]["output"] == []
    assert events[0]["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert rig.refused("response.cancel")["code"] == "response_cancel_not_active"
    assert rig.run(5) == []


def test_cancelling_by_id_needs_that_response(rig: Rig) -> None:
    rig.send("response.create")
    assert rig.refused("response.cancel", response_id="resp_other")["code"] == "response_cancel_not_active"
    response_id = rig.session.speaking.all[0].response_id
    assert rig.types(rig.send("response.cancel", response_id=response_id)) == ["response.done"]


def test_usage_counts_audio_text_and_what_was_cached(rig: Rig) -> None:
    rig.say("caller-2")
    rig.run(5)
    rig.say("caller-5")
    rig.run(5)
    turn = next(item for item in rig.session.conversation if item.role == "user")
    first, second = (event["response"]["usage"] for event in rig.of(rig.events, "response.done"))
    assert first["input_token_details"]["audio_tokens"] == -(-turn.audio_ms // 100)
    assert first["input_token_details"]["cached_tokens"] == 0
    assert first["output_token_details"]["audio_tokens"] == -(-len("One moment.") * 65 // 50)
    for usage in (first, second):
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert second["input_tokens"] > first["total_tokens"] - 20


def test_an_unavailable_model_connects_and_fails_in_the_response() -> None:
    rig = Rig({"account": {"unavailable_models": ["gpt-nope"]}}, model="gpt-nope")
    rig.phone()
    events = rig.send("response.create") + rig.run(1)
    (done,) = rig.of(events, "response.done")
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["code"] == "model_not_found"


def test_speaking_another_format_is_refused_but_text_is_not() -> None:
    rig = Rig(SCRIPT)
    assert rig.refused("response.create")["param"] == "session.audio.output.format"
    assert rig.send("response.create", response={"output_modalities": ["text"]})


def test_a_rule_may_be_used_up() -> None:
    rig = Rig({"replies": [{"when": "default", "say": "Once.", "times": 1}, {"when": "default", "say": "Then."}]})
    rig.phone()
    assert [said(rig.send("response.create") + rig.run(5)) for _ in range(3)] == ["Once.", "Then.", "Then."]


def test_rules_may_depend_on_instructions_and_model() -> None:
    japanese = {"when": {"instructions": "日本語"}, "voice": "ja-agent-greeting"}
    rig = Rig({"replies": [{"when": {"model": "other"}, "say": "No."}, japanese, {"when": "default", "say": "Hi."}]})
    rig.phone()
    assert said(rig.send("response.create") + rig.run(5)) == "Hi."
    events = rig.send("response.create", response={"instructions": "日本語で話す"}) + rig.run(5)
    assert said(events) == "もしもし、本日のご用件は何でしょうか？"
    deltas = rig.of(events, "response.output_audio_transcript.delta")
    assert len(deltas) > 3
