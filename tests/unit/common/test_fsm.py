"""State machines as tables: legal moves, illegal moves, and how they are drawn."""

from enum import Enum

import pytest

from common.errors import LocalProtocolError
from common.fsm import Machine, mermaid


class Door(Enum):
    OPEN = "open"
    SHUT = "shut"
    LOCKED = "locked"


class Hand(Enum):
    PUSH = "push"
    TURN_KEY = "turn key"


TABLE = {
    (Door.OPEN, Hand.PUSH): Door.SHUT,
    (Door.SHUT, Hand.PUSH): Door.OPEN,
    (Door.SHUT, Hand.TURN_KEY): Door.LOCKED,
    (Door.LOCKED, Hand.TURN_KEY): Door.SHUT,
}


def test_a_legal_move_leads_where_the_table_says() -> None:
    door = Machine(TABLE, Door.OPEN)
    assert door.move(Hand.PUSH) is Door.SHUT
    assert door.move(Hand.TURN_KEY) is Door.LOCKED
    assert door.state is Door.LOCKED


def test_an_illegal_move_is_our_own_fault_and_changes_nothing() -> None:
    door = Machine(TABLE, Door.LOCKED)
    with pytest.raises(LocalProtocolError, match=r"^PUSH is illegal in LOCKED$"):
        door.move(Hand.PUSH)
    assert door.state is Door.LOCKED


def test_whether_a_move_is_legal_can_be_asked() -> None:
    door = Machine(TABLE, Door.OPEN)
    assert door.can(Hand.PUSH)
    assert not door.can(Hand.TURN_KEY)
    assert door.state is Door.OPEN


def test_two_machines_share_a_table_but_no_state() -> None:
    first, second = Machine(TABLE, Door.OPEN), Machine(TABLE, Door.OPEN)
    first.move(Hand.PUSH)
    assert second.state is Door.OPEN


def test_the_diagram_shows_the_start_and_every_move_in_the_tables_order() -> None:
    assert mermaid(TABLE, Door.OPEN) == (
        "stateDiagram-v2\n"
        "    [*] --> OPEN\n"
        "    OPEN --> SHUT: PUSH\n"
        "    SHUT --> OPEN: PUSH\n"
        "    SHUT --> LOCKED: TURN_KEY\n"
        "    LOCKED --> SHUT: TURN_KEY\n"
    )
