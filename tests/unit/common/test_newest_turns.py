"""What is left of a conversation that is too long: its newest turns."""

from common.conversation import ToolTurn, Turn, characters, encoded_bytes, newest


def turn(number: int, text: str) -> Turn:
    return Turn(speaker="caller", item_id=f"item-{number}", text=text, start_ms=number, end_ms=number)


TURNS = (turn(1, "aaaa"), turn(2, "bbb"), turn(3, "cc"))


def test_what_fits_stays_whole() -> None:
    assert newest(TURNS, 9) == (TURNS, 0)
    assert newest((), 9) == ((), 0)


def test_the_oldest_turns_go_first() -> None:
    assert newest(TURNS, 8) == (TURNS[1:], 1)
    assert newest(TURNS, 4) == (TURNS[2:], 2)
    assert newest(TURNS, 1) == ((), 3)


def test_a_turn_that_does_not_fit_takes_along_all_before_it() -> None:
    turns = (turn(1, "a"), turn(2, "b" * 50), turn(3, "c"))
    assert newest(turns, 10) == (turns[2:], 2)


def test_a_tools_words_are_its_arguments_and_its_result() -> None:
    tool = ToolTurn(item_id="t", tool_call_id="c", name="n", arguments="{}", start_ms=0, output="four")
    assert characters(tool) == 6
    assert characters(tool.model_copy(update={"output": None})) == 2


def test_in_a_message_a_letter_may_take_more_than_one_byte() -> None:
    assert encoded_bytes(turn(1, "あ")) == encoded_bytes(turn(1, "a")) + 2
    kept, omitted = newest(TURNS, 2 * encoded_bytes(TURNS[0]), encoded_bytes)
    assert (kept, omitted) == (TURNS[1:], 1)
