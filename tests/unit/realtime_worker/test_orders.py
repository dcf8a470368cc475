"""Hanging up and transferring: after the agent's answer was heard, and not in the middle of a sentence."""

from itertools import product
from typing import Any

import pytest

from common.messages.tools import HangUpOrder, TransferOrder
from talker import port
from talker.core.floor import Floor
from talker.core.orders import GRACE_S, ORDERS, UNDER_WAY_S, Cue, Stand
from talker.core.vocabulary import AskHangUp, AskTransfer, Command, ToolAnswered, ToolWaits
from talker.port import Respond
from unit.realtime_worker.rig import LIST_TASKS, Call, asking, wanted

HANG_UP = HangUpOrder()
TRANSFER = TransferOrder(to="front-desk", summary="A refund.")


def ordered(order: Any, **changes: Any) -> Call:
    """The caller has heard everything so far; a tool has ordered this, and the model was asked for its answer."""
    call = asking(**{"tools": (LIST_TASKS,)} | changes)
    call.wait(0.5)
    call.feed(port.ResponseStarted("r2"), port.ResponseEnded("r2", "completed", tools=(wanted(),)))
    call.feed(ToolAnswered("t1", "[]", order=order))
    return call


def farewell(call: Call, response: str = "r3", item: str = "a3") -> None:
    """A second of goodbye, generated at once."""
    call.say(response, item)
    call.feed(port.AgentAudioEnded(response, item), port.ResponseEnded(response, "completed"))


def caller_says(call: Call, item: str = "c2") -> None:
    call.feed(port.CallerSpeechStarted(item, call.audio.clock.sent_ms))
    call.hear(500)
    call.feed(port.CallerSpeechStopped(item, call.audio.clock.sent_ms))


def orders(commands: list[Command]) -> list[Command]:
    return [each for each in commands if isinstance(each, AskHangUp | AskTransfer)]


def test_every_cue_is_legal_at_every_stand() -> None:
    assert set(ORDERS) == set(product(Stand, Cue))


@pytest.mark.parametrize(
    ("order", "done"), [(HANG_UP, AskHangUp()), (TRANSFER, AskTransfer("front-desk", "A refund."))]
)
def test_it_is_done_once_the_answer_was_heard(order: Any, done: Command) -> None:
    call = ordered(order)
    assert orders(call.wait(2.0)) == []
    farewell(call)
    assert orders(call.wait(1.0)) == []
    assert orders(call.wait(UNDER_WAY_S + 0.1)) == [done]
    assert orders(call.wait(30.0)) == []


def test_the_word_of_patience_before_it_is_not_the_answer() -> None:
    call = asking(tools=(LIST_TASKS,))
    call.feed(port.ResponseStarted("r2"), port.ResponseEnded("r2", "completed", tools=(wanted(),)))
    call.feed(ToolWaits("t1", "One moment."))
    call.say("r3", "a3")
    call.feed(ToolAnswered("t1", "[]", order=HANG_UP))
    call.feed(port.ResponseEnded("r3", "completed"))
    assert call.done[-1] == Respond()
    assert orders(call.wait(3.0)) == []
    farewell(call, "r4", "a4")
    assert orders(call.wait(3.0)) == [AskHangUp()]


def test_a_model_that_has_nothing_to_add_does_not_keep_the_caller() -> None:
    call = ordered(HANG_UP)
    assert orders(call.feed(port.ResponseStarted("r3"), port.ResponseEnded("r3", "completed"))) == [AskHangUp()]
    assert call.core.floor is Floor.QUIET


def test_a_caller_who_says_goodbye_into_the_goodbye_is_answered_then_it_ends() -> None:
    call = ordered(HANG_UP)
    farewell(call)
    caller_says(call)
    assert orders(call.wait(1.0)) == []
    farewell(call, "r4", "a4")
    assert orders(call.wait(1.0 + UNDER_WAY_S + GRACE_S - 0.1)) == []
    assert orders(call.wait(0.2)) == [AskHangUp()]


def test_a_caller_who_goes_on_talking_is_not_hung_up_on() -> None:
    call = ordered(HANG_UP)
    farewell(call)
    caller_says(call)
    farewell(call, "r4", "a4")
    caller_says(call, "c3")
    farewell(call, "r5", "a5")
    assert orders(call.wait(60.0)) == []
    call.feed(port.ResponseStarted("r6"), port.ResponseEnded("r6", "completed", tools=(wanted("r6", "t2"),)))
    call.feed(ToolAnswered("t2", "[]", order=HANG_UP))
    farewell(call, "r7", "a7")
    assert orders(call.wait(3.0)) == [AskHangUp()]


def test_a_transfer_waits_for_the_caller_and_comes_all_the_same() -> None:
    call = ordered(TRANSFER)
    for number in range(4, 7):
        caller_says(call, f"c{number}")
        call.say(f"r{number}", f"a{number}")
        assert orders(call.done) == []
        if number < 6:
            call.feed(port.CallerSpeechStarted(f"x{number}", 0), port.ResponseEnded(f"r{number}", "cancelled"))
    call.feed(port.ResponseEnded("r6", "completed"))
    assert orders(call.wait(3.0)) == [AskTransfer("front-desk", "A refund.")]


def test_of_two_orders_the_last_counts() -> None:
    call = ordered(HANG_UP)
    call.feed(port.ResponseStarted("r3"), port.ResponseEnded("r3", "completed", tools=(wanted("r3", "t2"),)))
    call.feed(ToolAnswered("t2", "[]", order=TRANSFER))
    farewell(call, "r4", "a4")
    assert orders(call.wait(5.0)) == [AskTransfer("front-desk", "A refund.")]


def test_a_session_that_goes_on_by_itself_has_answered_when_its_answer_ends() -> None:
    call = asking(answers_tool_results=True)
    call.feed(port.ResponseStarted("r2"), wanted())
    call.feed(ToolAnswered("t1", "[]", order=HANG_UP))
    assert orders(call.wait(3.0)) == []
    call.feed(port.AgentAudio("r2", "a2", bytes(8_000)), port.ResponseEnded("r2", "completed"))
    assert orders(call.wait(2.0)) == [AskHangUp()]
