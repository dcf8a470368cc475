"""What the simulators write is what the judge reads: a real result and a real record, without a socket."""

from typing import Any

from chaos.recorded import Call, HeardRun, Item, Span, read_call, read_session
from simulators.openai.realtime.record import Life, describe, marked
from simulators.people import watermark
from simulators.people.watermark import Run
from unit.simulators.openai.rig import Rig

SCRIPT = {"replies": [{"when": "greeting", "say": "Hello there."}, {"when": "default", "say": "Go on."}]}

RESULT: dict[str, Any] = {
    "failure": None,
    "zero_monotonic_s": 100.0,
    "first_frame_monotonic_s": 99.5,
    "ended_monotonic_s": 160.0,
    "streams": [{"attached_monotonic_s": 100.0, "ended_monotonic_s": 160.0}],
    "caller_turns": [
        {
            "text": "hello",
            "start_monotonic_s": 110.0,
            "speech_start_monotonic_s": 110.1,
            "speech_end_monotonic_s": 112.0,
        }
    ],
    "agent_audible": [{"start_monotonic_s": 101.0, "end_monotonic_s": 104.0}],
    "twilio_documents": [{"fetched_monotonic_s": 120.0}, {"fetched_monotonic_s": 99.0}],
    "notices": [{"code": 31920}, {"code": 31921}],
    "side_sockets": [{"refused": None, "ended_how": "server_closed"}, {"refused": "31920", "ended_how": None}],
    "late_frames": 3,
}


def test_a_call() -> None:
    call = read_call(7, RESULT, [[8_000, 2, 40, 100]])
    assert isinstance(call, Call)
    assert call.heard == (HeardRun(101.0, 2, 40, 100),)
    assert (call.streams, call.audible) == ((Span(100.0, 160.0),), (Span(101.0, 104.0),))
    assert (call.turns[0].text, call.turns[0].speech) == ("hello", Span(110.1, 112.0))
    assert (call.asked_again_s, call.streams_refused) == ((120.0,), 1)
    assert call.side_sockets == ("server_closed", "refused")
    assert call.cell_at(100.5) == 100


def test_a_session() -> None:
    rig = Rig(SCRIPT, is_marking=True)
    rig.phone()
    rig.item("user", "told before")
    rig.send("response.create")
    rig.run(5)
    rig.append(watermark.mark(bytes(800), 7, 12))
    rig.say("caller-2")
    record = describe(rig.subject, rig.session, Life(rig.now - 60))
    record["caller_audio"]["marks"] = marked(rig.session.hearing.tape.all())
    session = read_session(record)
    assert (session.number, session.opened_s, session.closed_s) == (1, rig.now - 60, None)
    assert session.caller == 7
    assert session.caller_runs == (Run(0, 7, 12, 10),)
    assert session.items[0] == Item("user", "told before", True, session.items[0].created_s)
    assert session.speeches[0].text == "Go on."
    assert [speech.first_cell for speech in session.speeches][:2] == [0, session.speeches[0].cells]
    assert (session.dark_s, session.tools_asked, len(session.updated_s)) == (None, (), 1)


def test_a_session_in_a_black_hole() -> None:
    rig = Rig(SCRIPT)
    rig.phone()
    rig.set_fault({"kind": "black_hole"}, running=True)
    record = describe(rig.subject, rig.session, Life(rig.now))
    record["caller_audio"]["marks"] = []
    assert read_session(record).dark_s == rig.now


def test_a_result_given_twice_is_seen() -> None:
    rig = Rig({"replies": [{"when": "greeting", "tool_call": {"name": "get_task"}}]})
    rig.phone()
    rig.send("response.create")
    rig.run(2)
    (call_id,) = [item.body["call_id"] for item in rig.session.conversation]
    for _ in range(2):
        output = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
        rig.send("conversation.item.create", item=output)
    record = describe(rig.subject, rig.session, Life(rig.now))
    record["caller_audio"]["marks"] = []
    session = read_session(record)
    assert (session.tools_asked, session.tools_returned) == ((call_id,), (call_id, call_id))
