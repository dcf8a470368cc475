"""The subjects of the bus, as `design.md` section 5 and every permission file spell them."""

from collections.abc import Callable

import pytest

from common import subjects

TABLE: dict[str, str] = {
    subjects.caller_audio("worker-1"): "trunk.v1.audio.caller.worker-1",
    subjects.agent_audio("edge-1"): "trunk.v1.audio.agent.edge-1",
    subjects.undelivered("edge-1", "worker-1"): "trunk.v1.undelivered.edge-1.worker-1",
    subjects.undelivered_to_any("edge-1"): "trunk.v1.undelivered.edge-1.*",
    subjects.offer("realtime"): "trunk.v1.offer.realtime",
    subjects.offer("fallback"): "trunk.v1.offer.fallback",
    subjects.offer_to("realtime", "worker-1"): "trunk.v1.offer.realtime.worker-1",
    subjects.probe("realtime"): "trunk.v1.probe.realtime",
    subjects.talker("worker-1"): "trunk.v1.talker.worker-1",
    subjects.edge("edge-1"): "trunk.v1.edge.edge-1",
    subjects.heartbeat("realtime_worker", "worker-1"): "trunk.v1.heartbeat.realtime_worker.worker-1",
    subjects.heartbeats_of("edge"): "trunk.v1.heartbeat.edge.*",
    subjects.fact("CA1"): "trunk.v1.fact.CA1",
    subjects.instructions("CA1"): "trunk.v1.instructions.CA1",
    subjects.outcome("openai"): "trunk.v1.outcome.openai",
    subjects.tool("get_task"): "trunk.v1.tool.get_task",
    subjects.ALL_FACTS: "trunk.v1.fact.*",
    subjects.ALL_INSTRUCTIONS: "trunk.v1.instructions.*",
    subjects.ALL_HEARTBEATS: "trunk.v1.heartbeat.*.*",
    subjects.ALL_OUTCOMES: "trunk.v1.outcome.*",
    subjects.ALL_EDGES: "trunk.v1.edges",
    subjects.ALL_TALKERS: "trunk.v1.talkers",
    subjects.ALL_BREAKERS: "trunk.v1.breakers",
    subjects.BREAKER_ORDERS: "trunk.v1.breakers.orders",
}


def matches(pattern: str, subject: str) -> bool:
    """NATS' rule for `*`: exactly one token."""
    wanted, given = pattern.split("."), subject.split(".")
    return len(wanted) == len(given) and all(each in ("*", token) for each, token in zip(wanted, given, strict=True))


@pytest.mark.parametrize(("built", "documented"), TABLE.items())
def test_a_subject_is_spelt_as_documented(built: str, documented: str) -> None:
    assert built == documented


def test_every_subject_there_is_stands_in_the_table() -> None:
    made_by = {name for name, value in vars(subjects).items() if isinstance(value, Callable) and name.islower()}  # type: ignore[arg-type]
    constants = {name for name in vars(subjects) if name.startswith("ALL_")}
    assert made_by == {
        "agent_audio",
        "caller_audio",
        "edge",
        "fact",
        "heartbeat",
        "heartbeats_of",
        "instructions",
        "last_token",
        "offer",
        "offer_to",
        "outcome",
        "probe",
        "talker",
        "tool",
        "undelivered",
        "undelivered_to_any",
    }
    assert constants == {
        "ALL_BREAKERS",
        "ALL_EDGES",
        "ALL_FACTS",
        "ALL_HEARTBEATS",
        "ALL_INSTRUCTIONS",
        "ALL_OUTCOMES",
        "ALL_TALKERS",
    }


def test_streams_and_buckets_keep_their_names() -> None:
    assert (subjects.FACTS_STREAM, subjects.INSTRUCTIONS_STREAM) == ("FACTS", "INSTRUCTIONS")
    assert (subjects.CALLS_BUCKET, subjects.NONCES_BUCKET) == ("calls", "nonces")
    assert (subjects.CONTROL_BUCKET, subjects.LEASES_BUCKET) == ("control", "leases")
    assert subjects.FLAGS_BUCKET == "flags"


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        (subjects.ALL_FACTS, subjects.fact("CA1")),
        (subjects.ALL_INSTRUCTIONS, subjects.instructions("CA1")),
        (subjects.ALL_HEARTBEATS, subjects.heartbeat("edge", "edge-1")),
        (subjects.heartbeats_of("edge"), subjects.heartbeat("edge", "edge-1")),
        (subjects.ALL_OUTCOMES, subjects.outcome("openai")),
        (subjects.undelivered_to_any("edge-1"), subjects.undelivered("edge-1", "worker-1")),
    ],
)
def test_a_wildcard_takes_what_it_is_for_and_nothing_else_of_ours(pattern: str, subject: str) -> None:
    assert matches(pattern, subject)
    strangers = [each for each in TABLE if "*" not in each and each.split(".")[2] != pattern.split(".")[2]]
    assert strangers
    assert not any(matches(pattern, stranger) for stranger in strangers)


def test_heartbeats_of_one_kind_are_not_those_of_another() -> None:
    assert not matches(subjects.heartbeats_of("edge"), subjects.heartbeat("realtime_worker", "worker-1"))


def test_a_subject_ends_with_whom_it_concerns() -> None:
    assert subjects.last_token(subjects.caller_audio("worker-1")) == "worker-1"
    assert subjects.last_token(subjects.fact("CA1")) == "CA1"
    assert subjects.last_token(subjects.undelivered("edge-1", "worker-1")) == "worker-1"
