"""Who lives, and how a person may call them."""

import pytest

from common.errors import TrunklineError
from common.messages.heartbeat import Heartbeat
from common.subjects import ProcessKind
from trunkline.fleet.choice import the_one
from trunkline.fleet.roster import Roster

HERE = "desk"


def beat(process_id: str, kind: ProcessKind = "realtime_worker", *, host: str = HERE, pid: int = 0) -> Heartbeat:
    return Heartbeat(kind=kind, process_id=process_id, calls=1, capacity=50, host=host, pid=pid)


def roster(*beats: Heartbeat) -> Roster:
    made = Roster({41: "worker-1", 42: "edge-1"}, HERE)
    for each in beats:
        made.feed(each)
    return made


def test_a_process_of_the_stack_here_has_its_name_and_another_hosts_has_none() -> None:
    members = roster(
        beat("worker-aa", pid=41), beat("worker-bb", pid=41, host="pod-7"), beat("edge-cc", "edge", pid=42)
    )
    names = {member.beat.process_id: member.name for member in members.members}
    assert names == {"edge-cc": "edge-1", "worker-aa": "worker-1", "worker-bb": ""}


def test_a_farewell_takes_a_process_out() -> None:
    made = roster(beat("worker-aa"))
    made.feed(beat("worker-aa").model_copy(update={"is_farewell": True}))
    assert made.members == ()
    assert not made.is_alive("worker-aa")


@pytest.mark.parametrize("typed", ["worker-1aa", "worker-1a", "worker-1", "pod-7", "edge-1"])
def test_a_process_is_found_by_id_by_its_beginning_by_name_and_by_its_host(typed: str) -> None:
    made = roster(beat("worker-1aa", pid=41), beat("worker-7bb", pid=1, host="pod-7"), beat("edge-cc", "edge", pid=42))
    expected = {"pod-7": "worker-7bb", "edge-1": "edge-cc"}.get(typed, "worker-1aa")
    assert made.find(typed).beat.process_id == expected


def test_a_name_is_meant_before_the_beginning_of_another_ones_id() -> None:
    made = roster(beat("worker-1bb", pid=9), beat("worker-zz", pid=41))
    assert made.find("worker-1").beat.process_id == "worker-zz"


def test_a_host_of_several_processes_means_none_of_them() -> None:
    made = roster(beat("worker-aa"), beat("worker-bb"))
    with pytest.raises(TrunklineError, match="there is no process 'desk': `trunkline ps` lists"):
        made.find(HERE)


def test_what_fits_several_names_all_of_them() -> None:
    with pytest.raises(TrunklineError, match=r"'CA1' could be CA11, CA12: say more of it"):
        the_one("CA1", ["CA11", "CA12", "CA2"], "live call", "calls")


@pytest.mark.parametrize("typed", ["", "CB"])
def test_what_fits_nothing_is_told_where_to_look(typed: str) -> None:
    with pytest.raises(TrunklineError, match=f"there is no live call '{typed}': `trunkline calls` lists"):
        the_one(typed, ["CA1"], "live call", "calls")


def test_the_whole_name_is_meant_even_if_it_begins_another() -> None:
    assert the_one("CA1", ["CA1", "CA11"], "live call", "calls") == "CA1"
