"""An answer from the model's words to the caller's ear."""

from hypothesis import given
from hypothesis import strategies as st

from fallback.core.answer import AHEAD, Answer, Begin, Close, Sound
from fallback.core.vocabulary import ChatEnded, ChatSaid, Sounded, SoundEnded, Speak, ToolCall
from talker.port import Usage

TOOL = ToolCall("call_1", "look_up", "{}")


def written(*texts: str) -> Answer:
    """An answer whose text is complete."""
    answer = Answer("r1", "i1")
    for text in texts:
        answer.write(ChatSaid("r1", text))
    answer.written(ChatEnded("r1"))
    return answer


def sounded(answer: Answer, number: int, *pieces: bytes) -> None:
    """All speech of a sentence comes."""
    for piece in pieces:
        answer.hear(Sounded("r1", number, piece))
    answer.hear(SoundEnded("r1", number))


def test_the_first_sentence_is_spoken_while_the_model_still_writes() -> None:
    answer = Answer("r1", "i1")
    answer.write(ChatSaid("r1", "One moment. Let me"))
    assert answer.to_speak() == (Speak("r1", 0, "One moment."),)
    answer.hear(Sounded("r1", 0, b"a"))
    assert answer.to_hear() == (Begin("i1", "One moment."), Sound("i1", b"a"))
    assert not answer.is_over


def test_only_so_many_sentences_are_made_ahead() -> None:
    answer = written("One. Two. Three. Four.")
    assert [each.number for each in answer.to_speak()] == list(range(AHEAD))
    assert answer.to_speak() == ()
    sounded(answer, 1, b"b")
    assert answer.to_hear() == ()
    assert answer.to_speak() == ()
    sounded(answer, 0, b"a")
    answer.to_hear()
    assert [each.number for each in answer.to_speak()] == [2, 3]


def test_speech_that_comes_out_of_order_is_heard_in_order() -> None:
    answer = written("One. Two.")
    answer.to_speak()
    sounded(answer, 1, b"c", b"d")
    assert answer.to_hear() == ()
    answer.hear(Sounded("r1", 0, b"a"))
    assert answer.to_hear() == (Begin("i1", "One."), Sound("i1", b"a"))
    sounded(answer, 0, b"b")
    assert answer.to_hear() == (
        Sound("i1", b"b"),
        Begin("i1", " Two."),
        Sound("i1", b"c"),
        Sound("i1", b"d"),
        Close("i1"),
    )
    assert answer.is_over


def test_speech_of_a_sentence_that_is_not_known_is_ignored() -> None:
    answer = written("One.")
    sounded(answer, 5, b"a")
    assert answer.to_hear() == ()


def test_a_model_that_says_nothing_leaves_an_empty_answer() -> None:
    assert written().is_empty
    assert written().is_over
    assert written("…").is_empty
    assert not written("One.").is_empty
    assert not Answer("r1", "i1").is_empty


def test_words_are_said_as_they_are() -> None:
    answer = Answer("r1", "i1")
    answer.say("Hello. How are you?")
    assert answer.to_speak() == (Speak("r1", 0, "Hello. How are you?"),)


def test_what_is_said_after_a_tool_is_another_item() -> None:
    answer = Answer("r1", "i1")
    answer.write(ChatSaid("r1", "Let me look."))
    answer.written(ChatEnded("r1", (TOOL,)))
    answer.expect_more("i2")
    assert answer.to_speak() == (Speak("r1", 0, "Let me look."),)
    sounded(answer, 0, b"a")
    assert answer.to_hear() == (Begin("i1", "Let me look."), Sound("i1", b"a"))
    assert not answer.is_over
    answer.write(ChatSaid("r1", "There are two."))
    answer.written(ChatEnded("r1"))
    answer.to_speak()
    sounded(answer, 1, b"b")
    assert answer.to_hear() == (Close("i1"), Begin("i2", "There are two."), Sound("i2", b"b"), Close("i2"))
    assert answer.is_over


def test_an_item_is_closed_even_if_the_model_ends_after_all_was_heard() -> None:
    answer = Answer("r1", "i1")
    answer.write(ChatSaid("r1", "One. "))
    answer.to_speak()
    sounded(answer, 0, b"a")
    answer.to_hear()
    assert not answer.is_over
    answer.written(ChatEnded("r1"))
    assert answer.to_hear() == (Close("i1"),)
    assert answer.to_hear() == ()
    assert answer.is_over


def test_the_usage_of_every_round_counts() -> None:
    answer = Answer("r1", "i1")
    for _ in range(2):
        answer.written(ChatEnded("r1", usage=Usage(input_text_tokens=10, cached_text_tokens=4, output_text_tokens=3)))
    answer.written(ChatEnded("r1"))
    assert answer.usage == Usage(input_text_tokens=20, cached_text_tokens=8, output_text_tokens=6)


@given(st.integers(1, 6), st.data())
def test_whatever_order_speech_comes_in_all_is_heard_once_and_in_order(count: int, data: st.DataObject) -> None:
    answer = written(" ".join(f"S{number}." for number in range(count)))
    ready: list[tuple[int, int]] = []
    heard: list[Begin | Sound | Close] = []
    while not answer.is_over:
        ready += [(speak.number, piece) for speak in answer.to_speak() for piece in range(3)]
        assert len({number for number, _ in ready}) <= AHEAD
        firsts = [each for each in ready if not any(other[0] == each[0] and other[1] < each[1] for other in ready)]
        number, piece = data.draw(st.sampled_from(firsts))
        ready.remove((number, piece))
        if piece == 2:
            answer.hear(SoundEnded("r1", number))
        else:
            answer.hear(Sounded("r1", number, bytes([number, piece])))
        heard += answer.to_hear()
    assert [each.pcmu for each in heard if isinstance(each, Sound)] == [
        bytes([number, piece]) for number in range(count) for piece in range(2)
    ]
    assert "".join(each.text for each in heard if isinstance(each, Begin)) == " ".join(f"S{n}." for n in range(count))
    assert heard[-1] == Close("i1")
