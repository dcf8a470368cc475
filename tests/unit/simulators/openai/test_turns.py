"""The caller speaks: turns, transcripts, answers, interruptions."""

from collections.abc import Iterable
from itertools import groupby

import pytest

from simulators.people.recordings import load
from unit.simulators.openai.rig import SILENCE, Rig, audio_of

GREETING = {"when": "greeting", "voice": "agent-greeting"}
HOURS = {"when": {"recording": "caller-2"}, "voice": "agent-opening-hours"}
SCRIPT = {"replies": [GREETING, HOURS, {"when": "default", "voice": "agent-i-see"}]}


def distinct(types: Iterable[str]) -> list[str]:
    """Runs of the same type as one."""
    return [kind for kind, _ in groupby(types)]


@pytest.fixture
def rig() -> Rig:
    made = Rig(SCRIPT)
    made.phone()
    return made


def test_a_turn_is_detected_committed_transcribed_and_answered(rig: Rig) -> None:
    events = rig.say("caller-2") + rig.run(5)
    types = rig.types(events)
    assert types[:6] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    started, stopped, committed, added = events[:4]
    item_id = started["item_id"]
    assert stopped["item_id"] == committed["item_id"] == added["item"]["id"] == item_id
    assert committed["previous_item_id"] is None
    (completed,) = rig.of(events, "conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == load("caller-2").text
    deltas = rig.of(events, "conversation.item.input_audio_transcription.delta")
    assert "".join(event["delta"] for event in deltas) == load("caller-2").text
    assert completed["usage"]["type"] == "tokens"
    (done,) = rig.of(events, "response.done")
    assert done["response"]["status"] == "completed"
    assert audio_of(events) == load("agent-opening-hours").pcmu


def test_speech_edges_are_on_the_sample_clock_with_prefix_and_silence(rig: Rig) -> None:
    events = rig.hear(SILENCE * 100) + rig.say("caller-2")
    (started,) = rig.of(events, "input_audio_buffer.speech_started")
    (stopped,) = rig.of(events, "input_audio_buffer.speech_stopped")
    # The first word begins 0.27 s into the recording, 300 ms of padding go before it.
    assert started["audio_start_ms"] == pytest.approx(2000 + 270 - 300, abs=60)
    speech_ends_ms = 2000 + 2990 - 100
    assert stopped["audio_end_ms"] == pytest.approx(speech_ends_ms + 500, abs=160)


def test_a_response_comes_in_the_order_of_the_api(rig: Rig) -> None:
    events = rig.send("response.create") + rig.run(5)
    assert distinct(k for k in rig.types(events) if not k.endswith("delta")) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    deltas = [k for k in rig.types(events) if k.endswith("delta")]
    assert deltas[0] == "response.output_audio_transcript.delta"
    transcript = "".join(e["delta"] for e in rig.of(events, "response.output_audio_transcript.delta"))
    assert transcript == load("agent-greeting").text
    (done,) = rig.of(events, "response.done")
    assert done["response"]["output"][0]["content"] == [{"type": "output_audio", "transcript": transcript}]


def test_audio_comes_after_the_scripted_delay_and_faster_than_real_time() -> None:
    rig = Rig({"replies": [{**GREETING, "first_audio_ms": 700, "speed": 10, "delta_ms": 100}]})
    rig.phone()
    rig.send("response.create")
    assert not audio_of(rig.run(0.69))
    assert len(audio_of(rig.run(0.0101))) == 800
    assert len(audio_of(rig.run(0.2))) == 20 * 800


def test_speech_during_a_response_cancels_it_and_its_deltas_stop(rig: Rig) -> None:
    rig.send("response.create")
    rig.run(0.4)
    events = rig.hear(load("caller-2").pcmu[: 160 * 40])
    types = rig.types(events)
    start = types.index("input_audio_buffer.speech_started")
    assert types[start:] == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response = events[-1]["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert response["output"][0]["status"] == "incomplete"
    said = "".join(e["delta"] for e in rig.of(rig.events, "response.output_audio_transcript.delta"))
    assert response["output"][0]["content"][0]["transcript"] == said
    assert len(audio_of(rig.events)) < len(load("agent-greeting").pcmu)


def test_without_interrupt_response_the_answer_goes_on_and_the_automatic_one_fails() -> None:
    long = {"when": "greeting", "say": "long", "length_ms": 60_000, "speed": 1}
    rig = Rig({"replies": [long]})
    rig.phone(interrupt_response=False)
    rig.send("response.create")
    events = rig.say("caller-2")
    assert not rig.of(events, "response.done")
    (error,) = rig.of(events, "error")
    assert error["error"]["code"] == "conversation_already_has_active_response"


def test_without_create_response_a_turn_is_only_committed() -> None:
    rig = Rig(SCRIPT)
    rig.phone(create_response=False)
    events = rig.say("caller-2") + rig.run(5)
    assert rig.of(events, "input_audio_buffer.committed")
    assert not rig.of(events, "response.created")


def test_truncating_keeps_what_was_heard_and_deletes_the_transcript(rig: Rig) -> None:
    events = rig.send("response.create") + rig.run(5)
    item_id = rig.of(events, "response.output_item.added")[0]["item"]["id"]
    answer = rig.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1200)
    assert rig.types(answer) == ["conversation.item.truncated"]
    (retrieved,) = rig.send("conversation.item.retrieve", item_id=item_id)
    part = retrieved["item"]["content"][0]
    assert "transcript" not in part
    assert len(part["audio"]) == pytest.approx(1200 * 8 * 4 / 3, abs=4)
    error = rig.refused("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1201)
    assert error["message"] == "Audio content of 1200ms is already shorter than 1201ms"


def test_manual_turns_need_a_commit_and_a_response_create() -> None:
    rig = Rig(SCRIPT)
    rig.phone()
    rig.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    assert rig.say("caller-2") == []
    assert rig.types(rig.send("input_audio_buffer.commit")) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    events = rig.send("response.create") + rig.run(4)
    assert audio_of(events) == load("agent-opening-hours").pcmu


def test_committing_an_empty_buffer_is_refused_in_the_real_words(rig: Rig) -> None:
    error = rig.refused("input_audio_buffer.commit", event_id="mine")
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "Expected at least 100ms of audio, but buffer only has 0.00ms of audio." in error["message"]
    assert error["event_id"] == "mine"


def test_clear_forgets_the_running_turn(rig: Rig) -> None:
    rig.hear(load("caller-2").pcmu)
    assert rig.types(rig.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert rig.hear(SILENCE * 60) == []


def test_settings_changed_in_mid_speech_do_not_lose_the_turn(rig: Rig) -> None:
    events = rig.hear(load("caller-2").pcmu)
    started = rig.of(events, "input_audio_buffer.speech_started")[0]
    vad = {"type": "server_vad", "silence_duration_ms": 200}
    rig.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": vad}}})
    stopped = rig.of(rig.hear(SILENCE * 12), "input_audio_buffer.speech_stopped")
    assert [event["item_id"] for event in stopped] == [started["item_id"]]


def test_semantic_vad_waits_by_its_eagerness() -> None:
    waits: dict[str, float] = {}
    for eagerness in ("high", "low"):
        rig = Rig(SCRIPT)
        rig.phone()
        vad = {"type": "semantic_vad", "eagerness": eagerness}
        rig.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": vad}}})
        events = rig.say("caller-2", silence_s=3)
        waits[eagerness] = rig.of(events, "input_audio_buffer.speech_stopped")[-1]["audio_end_ms"]
    assert waits["low"] - waits["high"] == 1200


def test_an_idle_caller_is_asked_again_after_the_playback() -> None:
    rig = Rig(SCRIPT)
    rig.phone(idle_timeout_ms=6000)
    rig.send("response.create")
    spoken_s = len(load("agent-greeting").pcmu) / 8000
    quiet = rig.hear(SILENCE * round((0.3 + spoken_s + 5.9) * 50))
    assert not rig.of(quiet, "input_audio_buffer.timeout_triggered")
    events = rig.hear(SILENCE * 10)
    assert rig.types(events)[:4] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert events[0]["audio_end_ms"] - events[0]["audio_start_ms"] == 6000
    assert rig.of(events, "response.created")


def test_a_caller_who_speaks_stops_the_idle_clock() -> None:
    rig = Rig({"replies": [GREETING, {"when": "default", "tool_call": {"name": "wait"}}]})
    rig.phone(idle_timeout_ms=3000, create_response=False)
    rig.send("response.create")
    rig.run(6)
    rig.say("caller-2")
    assert not rig.of(rig.run(60), "input_audio_buffer.timeout_triggered")


def test_noise_is_a_turn_without_words(rig: Rig) -> None:
    noise = bytes((i * 7919 + i // 160) % 64 for i in range(16000))
    events = rig.hear(noise + SILENCE * 40) + rig.run(1)
    (completed,) = rig.of(events, "conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == ""
