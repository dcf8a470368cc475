"""The table holds the whole matrix, and every caller's script can be acted."""

from random import Random

import pytest

from chaos.faults import BY_NAME, FAULTS, Fault
from chaos.people import script
from chaos.rows import TIMES
from simulators.twilio.script import Script

MATRIX = {
    "worker": {"worker_kill", "worker_freeze", "loop_block_0.3", "loop_block_1", "loop_block_3"},
    "edge": {"edge_kill", "second_stream", "second_stream_fresh"},
    "nats": {"nats_node_kill", "nats_leader_kill", "nats_node_freeze", "nats_lame_duck", "nats_all_down"},
    "links": {
        "worker_link_cut",
        "worker_link_half_open",
        "worker_link_one_way",
        "edge_link_cut",
        "edge_link_half_open",
        "slow_network",
    },
    "openai": {
        "openai_1001",
        "openai_1006",
        "openai_1011",
        "openai_black_hole",
        "openai_failed_responses",
        "openai_garbage",
    },
    "planned": {"rolling_workers", "rolling_edges", "rolling_nats"},
    "none": {"soak"},
}


def test_the_table_is_the_matrix() -> None:
    assert set(BY_NAME) == set().union(*MATRIX.values())
    assert len(FAULTS) == len(BY_NAME)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_marks_name_columns_that_the_row_has(fault: Fault) -> None:
    assert {mark.column for mark in fault.marks} <= {"gap_ms", *TIMES}
    timed = {"notice_ms", "asked_ms", "ready_ms", "speaking_ms"}
    assert fault.is_timed or not timed & {mark.column for mark in fault.marks}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_callers_can_act_their_scripts(fault: Fault) -> None:
    made = Script.parse(script(Random(1), fault.talk_s, extra=fault.caller_steps))
    assert made.steps[-1].kind == "hangup"


def test_the_same_seed_gives_the_same_callers() -> None:
    assert script(Random("7:soak"), 30.0) == script(Random("7:soak"), 30.0)
    assert script(Random("7:soak"), 30.0) != script(Random("8:soak"), 30.0)
