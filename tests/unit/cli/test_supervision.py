"""The supervision core: who is started, restarted and ended, and when."""

from itertools import pairwise

import pytest

from trunkline.stack.supervision import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    STABLE_S,
    AnnounceDrain,
    AnnounceMisconfigured,
    AnnounceRestart,
    BecameReady,
    Begun,
    Exited,
    Kill,
    Role,
    Start,
    StopAsked,
    Supervision,
    Terminate,
    Tick,
)

ROLES = {
    "nats": Role.INFRASTRUCTURE,
    "worker-1": Role.WORKER,
    "worker-2": Role.WORKER,
    "edge-1": Role.EDGE,
}
SERVICES = (Start("worker-1"), Start("worker-2"), Start("edge-1"))


def running() -> Supervision:
    core = Supervision(ROLES)
    core.feed(Begun(), 0.0)
    core.feed(BecameReady("nats"), 0.1)
    return core


def only_restart(commands: tuple[object, ...]) -> AnnounceRestart:
    (command,) = commands
    assert isinstance(command, AnnounceRestart)
    return command


def test_services_start_once_the_infrastructure_is_ready() -> None:
    core = Supervision(ROLES)
    assert core.feed(Begun(), 0.0) == (Start("nats"),)
    assert core.feed(BecameReady("nats"), 0.1) == SERVICES
    assert core.feed(BecameReady("nats"), 0.2) == ()


def test_without_infrastructure_the_services_start_at_once() -> None:
    core = Supervision({"edge-1": Role.EDGE})
    assert core.feed(Begun(), 0.0) == (Start("edge-1"),)


def test_a_dead_process_is_restarted_after_a_wait_and_that_is_announced() -> None:
    core = running()
    restart = only_restart(core.feed(Exited("worker-1", -9), 5.0))
    assert (restart.name, restart.code) == ("worker-1", -9)
    assert core.next_deadline() == 5.0 + restart.wait_s
    assert core.feed(Tick(), 5.0) == ()
    assert core.feed(Tick(), 5.0 + restart.wait_s) == (Start("worker-1"),)
    assert core.next_deadline() is None


def test_a_process_that_was_drained_from_outside_is_replaced() -> None:
    core = running()
    restart = only_restart(core.feed(Exited("worker-1", 0), STABLE_S + 5.0))
    assert restart.code == 0
    assert restart.wait_s == pytest.approx(FIRST_WAIT_S, rel=0.21)
    assert core.feed(Tick(), STABLE_S + 5.0 + restart.wait_s) == (Start("worker-1"),)
    assert not core.is_misconfigured


def test_processes_drained_one_after_the_other_are_each_replaced_after_the_first_wait() -> None:
    core = running()
    now = STABLE_S + 5.0
    for name in ("worker-1", "worker-2", "edge-1"):
        restart = only_restart(core.feed(Exited(name, 0), now))
        assert restart.wait_s == pytest.approx(FIRST_WAIT_S, rel=0.21)
        assert core.feed(Tick(), now + restart.wait_s) == (Start(name),)
        now += 1.0


def test_waits_double_up_to_a_limit_while_a_process_keeps_dying() -> None:
    core = running()
    now, waits = 1.0, []
    for _ in range(9):
        restart = only_restart(core.feed(Exited("worker-1", 1), now))
        now += restart.wait_s
        core.feed(Tick(), now)
        waits.append(restart.wait_s)
    assert waits[0] == pytest.approx(FIRST_WAIT_S, rel=0.21)
    assert all(later > earlier for earlier, later in pairwise(waits[:6]))
    assert waits[-1] == pytest.approx(LONGEST_WAIT_S, rel=0.21)


def test_a_process_that_lived_long_starts_its_waits_anew() -> None:
    core = running()
    now = 0.0
    for _ in range(4):
        now += only_restart(core.feed(Exited("worker-1", 1), now)).wait_s
        core.feed(Tick(), now)
    restart = only_restart(core.feed(Exited("worker-1", 1), now + STABLE_S + 1))
    assert restart.wait_s == pytest.approx(FIRST_WAIT_S, rel=0.21)


def test_a_refused_setting_ends_the_stack_without_a_restart() -> None:
    core = running()
    commands = core.feed(Exited("edge-1", 2), 1.0)
    assert commands[0] == AnnounceMisconfigured("edge-1")
    assert Terminate("worker-1") in commands
    core.feed(Exited("worker-1", 0), 1.1)
    assert core.feed(Exited("worker-2", 0), 1.1) == (AnnounceDrain(("nats",)), Terminate("nats"))
    assert not core.is_over
    core.feed(Exited("nats", 0), 1.2)
    assert core.is_over
    assert core.is_misconfigured


def test_stopping_drains_edges_then_workers_then_the_rest() -> None:
    core = running()
    assert core.feed(StopAsked(), 1.0) == (AnnounceDrain(("edge-1",)), Terminate("edge-1"))
    workers = ("worker-1", "worker-2")
    assert core.feed(Exited("edge-1", 0), 2.0) == (AnnounceDrain(workers), *(Terminate(name) for name in workers))
    assert core.feed(Exited("worker-2", 0), 2.1) == ()
    assert core.feed(Exited("worker-1", 0), 2.2) == (AnnounceDrain(("nats",)), Terminate("nats"))
    assert core.feed(Exited("nats", 0), 2.3) == ()
    assert core.is_over
    assert not core.is_misconfigured


def test_a_second_stop_kills_everything_at_once() -> None:
    core = running()
    core.feed(StopAsked(), 1.0)
    assert set(core.feed(StopAsked(), 1.1)) == {Kill(name) for name in ROLES}
    for name in ROLES:
        assert core.feed(Exited(name, -9), 1.2) == ()
    assert core.is_over


def test_a_worker_that_dies_while_edges_drain_is_restarted_for_their_calls() -> None:
    core = running()
    core.feed(StopAsked(), 1.0)
    restart = only_restart(core.feed(Exited("worker-1", -9), 1.5))
    assert core.feed(Tick(), 1.5 + restart.wait_s) == (Start("worker-1"),)


def test_a_process_waiting_for_its_restart_is_forgotten_when_its_turn_to_end_comes() -> None:
    core = running()
    core.feed(Exited("edge-1", 1), 1.0)
    drained = core.feed(StopAsked(), 1.1)
    assert drained[0] == AnnounceDrain(("worker-1", "worker-2"))
    assert core.next_deadline() is None


def test_a_stop_before_anything_is_ready_ends_what_was_started() -> None:
    core = Supervision(ROLES)
    core.feed(Begun(), 0.0)
    assert core.feed(StopAsked(), 0.1) == (AnnounceDrain(("nats",)), Terminate("nats"))
    assert core.feed(BecameReady("nats"), 0.2) == ()
    core.feed(Exited("nats", 0), 0.3)
    assert core.is_over


def test_a_stop_while_everything_waits_for_its_restart_is_over_at_once() -> None:
    core = Supervision({"edge-1": Role.EDGE})
    core.feed(Begun(), 0.0)
    core.feed(Exited("edge-1", 1), 0.1)
    assert core.feed(StopAsked(), 0.2) == ()
    assert core.is_over
