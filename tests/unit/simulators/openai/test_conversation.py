"""Items: seeding, order, deletion, truncation, and what the answers know of them."""

import pytest

from unit.simulators.openai.rig import Rig

RECALL = {"when": "default", "say": "{items} items, {seeded} seeded, {caller_turns} turns, last: {last_caller_text}"}
CALL = {"type": "function_call", "name": "get_task", "arguments": "{}", "call_id": "call_1"}


def spoken(rig: Rig) -> str:
    """What the next response says."""
    events = rig.send("response.create") + rig.run(30)
    return "".join(event["delta"] for event in rig.of(events, "response.output_audio_transcript.delta"))


@pytest.fixture
def rig() -> Rig:
    made = Rig({"replies": [{"when": "greeting", "say": "Hello."}, {"when": {"turn": 3}, "say": "Third."}, RECALL]})
    made.phone()
    return made


def test_a_seeded_conversation_is_known_to_the_answer(rig: Rig) -> None:
    rig.item("user", "first")
    rig.item("assistant", "second")
    rig.item("system", "third")
    assert spoken(rig) == "3 items, 3 seeded, 1 turns, last: first"


def test_without_a_caller_turn_it_is_a_greeting(rig: Rig) -> None:
    rig.item("system", "You are kind.")
    assert spoken(rig) == "Hello."


def test_seeded_turns_are_counted_with_live_ones(rig: Rig) -> None:
    rig.item("user", "one")
    rig.item("user", "two")
    events = rig.say("caller-2") + rig.run(5)
    (done,) = rig.of(events, "response.done")
    assert done["response"]["output"][0]["content"][0]["transcript"] == "Third."


def test_items_go_where_the_client_asks(rig: Rig) -> None:
    first, second = (rig.item("user", text)["id"] for text in ("one", "two"))
    body = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    (added, _) = rig.send("conversation.item.create", item={**body, "id": "at_front"}, previous_item_id="root")
    assert added["previous_item_id"] is None
    (added, _) = rig.send("conversation.item.create", item={**body, "id": "middle"}, previous_item_id=first)
    assert added["previous_item_id"] == first
    assert [item.item_id for item in rig.session.conversation] == ["at_front", first, "middle", second]
    error = rig.refused("conversation.item.create", item=body, previous_item_id="nowhere")
    assert (error["code"], error["param"]) == ("item_create_invalid_previous_item_id", "previous_item_id")


def test_an_id_cannot_be_used_twice(rig: Rig) -> None:
    rig.item("user", "one", id="mine")
    body = {"type": "message", "id": "mine", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    assert rig.refused("conversation.item.create", item=body)["code"] == "item_create_duplicate_item_id"


def test_ids_are_at_most_32_characters(rig: Rig) -> None:
    body = {"type": "message", "id": "x" * 33, "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    error = rig.refused("conversation.item.create", item=body)
    assert (error["code"], error["param"]) == ("string_above_max_length", "item.id")


@pytest.mark.parametrize(
    ("role", "part", "param"),
    [
        ("assistant", {"type": "output_audio", "audio": "AAAA"}, "item.content[0].type"),
        ("assistant", {"type": "input_text", "text": "x"}, "item.content[0].type"),
        ("user", {"type": "output_text", "text": "x"}, "item.content[0].type"),
        ("system", {"type": "input_audio", "audio": "AAAA"}, "item.content[0].audio"),
        ("user", {"type": "input_text"}, "item.content[0].text"),
        ("user", {"text": "x"}, "item.content[0].type"),
    ],
)
def test_role_and_content_must_belong_together(rig: Rig, role: str, part: dict[str, str], param: str) -> None:
    body = {"type": "message", "role": role, "content": [part]}
    assert rig.refused("conversation.item.create", item=body)["param"] == param
    assert len(rig.session.conversation) == 0


def test_the_result_of_an_unknown_call_is_refused(rig: Rig) -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
    assert rig.refused("conversation.item.create", item=output)["code"] == "invalid_tool_call_id"
    rig.send("conversation.item.create", item=CALL)
    assert rig.types(rig.send("conversation.item.create", item=output))[-1] == "conversation.item.done"


def test_a_deleted_item_is_gone_and_the_chain_is_repaired(rig: Rig) -> None:
    first, second = (rig.item("user", text)["id"] for text in ("one", "two"))
    assert rig.types(rig.send("conversation.item.delete", item_id=second)) == ["conversation.item.deleted"]
    assert rig.refused("conversation.item.retrieve", item_id=second)["code"] == "item_retrieve_invalid_item_id"
    assert rig.refused("conversation.item.delete", item_id=second)["code"] == "item_delete_invalid_item_id"
    body = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    assert rig.send("conversation.item.create", item=body)[0]["previous_item_id"] == first


def test_only_model_audio_can_be_truncated(rig: Rig) -> None:
    cut = {"content_index": 0, "audio_end_ms": 0}
    for role in ("user", "assistant"):
        item_id = rig.item(role, "text")["id"]
        error = rig.refused("conversation.item.truncate", item_id=item_id, **cut)
        assert error["message"] == "Only model output audio messages can be truncated"
    error = rig.refused("conversation.item.truncate", item_id="item_none", **cut)
    assert error["code"] == "item_truncate_invalid_item_id"


def test_another_content_index_or_a_negative_end_is_refused(rig: Rig) -> None:
    events = rig.send("response.create") + rig.run(3)
    item_id = rig.of(events, "response.output_item.added")[0]["item"]["id"]
    for field, value in (("content_index", 1), ("audio_end_ms", -1)):
        fields = {"content_index": 0, "audio_end_ms": 0, field: value}
        assert rig.refused("conversation.item.truncate", item_id=item_id, **fields)["param"] == field


def test_seeded_caller_audio_is_recognised(rig: Rig) -> None:
    from base64 import b64encode

    from simulators.people.recordings import load

    part = {"type": "input_audio", "audio": b64encode(load("caller-2").pcmu).decode()}
    item = {"type": "message", "role": "user", "content": [part]}
    (added, _) = rig.send("conversation.item.create", item=item)
    assert "audio" not in added["item"]["content"][0]
    assert spoken(rig).endswith(load("caller-2").text)
