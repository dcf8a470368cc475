"""With marking on, whatever the model says carries its session's number, and the record says which cells were which."""

import pytest

from simulators.openai.faults.book import Subject
from simulators.openai.realtime.record import Life, describe, marked
from simulators.people.watermark import Run, mark, runs, unmarked
from unit.simulators.openai.rig import Rig, audio_of

ANSWER = {"when": "default", "say": "Go on.", "length_ms": 999}
SCRIPT = {"replies": [{"when": "greeting", "say": "Hello there."}, ANSWER]}


def greeted(rig: Rig) -> list[dict[str, object]]:
    rig.phone()
    return rig.send("response.create") + rig.run(5)


def test_speech_is_marked_with_the_sessions_number_cell_after_cell() -> None:
    rig = Rig(SCRIPT, is_marking=True)
    greeting = audio_of(greeted(rig))
    answer = audio_of(rig.say("caller-2") + rig.run(5))
    cells = len(greeting) // 80
    assert runs(greeting) == [Run(0, rig.subject.number, 0, cells)]
    assert runs(answer) == [Run(0, rig.subject.number, cells, 99)]


def test_marking_changes_only_the_lowest_bits() -> None:
    plain, marking = (audio_of(greeted(Rig(SCRIPT, is_marking=flag))) for flag in (False, True))
    assert unmarked(plain) == unmarked(marking)
    assert runs(plain) == []


@pytest.mark.parametrize("is_marking", [True, False])
def test_the_record_tells_what_was_planned_and_where_it_begins(is_marking: bool) -> None:
    rig = Rig(SCRIPT, is_marking=is_marking)
    greeted(rig)
    rig.say("caller-2")
    record = describe(rig.subject, rig.session, Life(rig.now))
    first, second = (response["planned"] for response in record["responses"])
    assert (first["text"], first["first_cell"]) == ("Hello there.", 0 if is_marking else None)
    assert (second["text"], second["audio_ms"]) == ("Go on.", 999)
    assert second["first_cell"] == (first["audio_ms"] // 10 if is_marking else None)


def test_the_record_tells_when_the_session_was_configured_and_that_is_not_when_it_was_told_the_same_again() -> None:
    rig = Rig(SCRIPT)
    rig.phone()
    first = rig.now
    rig.run(0.5)
    rig.phone()
    rig.run(1.0)
    rig.phone(silence_duration_ms=400)
    assert describe(rig.subject, rig.session, Life(rig.now))["updated_monotonic_s"] == [first, first + 1.5]


def test_whose_audio_a_session_was_given_can_be_read_from_it() -> None:
    rig = Rig(SCRIPT)
    rig.phone()
    rig.append(mark(bytes(1600), 7, 40) + bytes(55) + mark(bytes(800), 7, 80))
    assert marked(rig.session.hearing.tape.all()) == [[0, 7, 40, 20], [1655, 7, 80, 10]]


def test_the_rigs_session_is_the_first() -> None:
    assert Rig().subject == Subject(1, "sess_0123456789ab", "sk-test", "gpt-realtime-2.1")
