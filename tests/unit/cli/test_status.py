"""The status line and the call count behind it."""

from common.messages.heartbeat import Heartbeat
from common.subjects import ProcessKind
from trunkline.stack.status import STALE_S, CallCount, Status


def beat(process_id: str, calls: int, kind: ProcessKind = "edge", *, is_farewell: bool = False) -> Heartbeat:
    return Heartbeat(kind=kind, process_id=process_id, calls=calls, capacity=10, is_farewell=is_farewell)


def test_calls_are_those_of_every_living_edge() -> None:
    count = CallCount()
    count.feed(beat("edge-a", 2), 0.0)
    count.feed(beat("edge-b", 1), 0.0)
    count.feed(beat("worker-a", 3, "realtime_worker"), 0.0)
    assert count.total(0.1) == 3
    count.feed(beat("edge-b", 1, is_farewell=True), 0.2)
    assert count.total(0.3) == 2


def test_an_edge_that_fell_silent_carries_nothing() -> None:
    count = CallCount()
    count.feed(beat("edge-a", 2), 0.0)
    assert count.total(STALE_S) == 0


def look(*ready: str, calls: int = 0, is_draining: bool = False) -> Status:
    edges, workers, fallbacks, orchestrators = ["edge-1", "edge-2"], ["worker-1"], ["fallback-1"], ["orchestrator-1"]
    everything = ["nats", *workers, *edges, *fallbacks, *orchestrators]
    return Status.look(
        edges, workers, fallbacks, orchestrators, everything, ready, calls=calls, is_draining=is_draining
    )


def test_the_status_line_says_what_is_waited_for() -> None:
    text = look("nats", "edge-1").as_text()
    counts = "edges 1/2 ready · workers 0/1 ready · fallbacks 0/1 ready · orchestrators 0/1 ready"
    assert text == f"{counts} · 0 calls active · waiting for worker-1, edge-2, fallback-1, orchestrator-1"


def test_one_call_is_singular_and_nothing_is_waited_for_when_all_is_ready() -> None:
    text = look("nats", "worker-1", "edge-1", "edge-2", "fallback-1", "orchestrator-1", calls=1).as_text()
    counts = "edges 2/2 ready · workers 1/1 ready · fallbacks 1/1 ready · orchestrators 1/1 ready"
    assert text == f"{counts} · 1 call active"


def test_a_draining_stack_says_so() -> None:
    assert look("edge-1", is_draining=True).as_text().endswith("draining, Ctrl-C ends at once")


def test_machines_get_the_numbers() -> None:
    assert look("nats", "edge-1", calls=4).as_json() == {
        "event": "status",
        "edges_ready": 1,
        "edges": 2,
        "workers_ready": 0,
        "workers": 1,
        "fallbacks_ready": 0,
        "fallbacks": 1,
        "orchestrators_ready": 0,
        "orchestrators": 1,
        "calls": 4,
        "waiting_for": ("worker-1", "edge-2", "fallback-1", "orchestrator-1"),
        "is_draining": False,
    }
