"""Every NATS subject, stream and bucket, in one place (`design.md` section 5)."""

from typing import Final, Literal

PREFIX: Final = "trunk.v1"

Pool = Literal["realtime", "fallback"]
ProcessKind = Literal["edge", "realtime_worker", "orchestrator", "fallback"]

FACTS_STREAM: Final = "FACTS"
INSTRUCTIONS_STREAM: Final = "INSTRUCTIONS"
CALLS_BUCKET: Final = "calls"
NONCES_BUCKET: Final = "nonces"
CONTROL_BUCKET: Final = "control"
LEASES_BUCKET: Final = "leases"
FLAGS_BUCKET: Final = "flags"

ALL_FACTS: Final = f"{PREFIX}.fact.*"
ALL_INSTRUCTIONS: Final = f"{PREFIX}.instructions.*"
ALL_HEARTBEATS: Final = f"{PREFIX}.heartbeat.*.*"
ALL_OUTCOMES: Final = f"{PREFIX}.outcome.*"
ALL_EDGES: Final = f"{PREFIX}.edges"
"""Questions to every edge; the one they concern answers."""
ALL_TALKERS: Final = f"{PREFIX}.talkers"
"""Questions to every talker; those they concern answer."""
ALL_BREAKERS: Final = f"{PREFIX}.breakers"
"""How every breaker stands, said every second by the replica of the fallback service that decides."""
BREAKER_ORDERS: Final = f"{PREFIX}.breakers.orders"
"""Orders and questions of operators to that replica (request)."""


def caller_audio(talker_id: str) -> str:
    """Edge to talker: batches of caller audio (`common.audio`)."""
    return f"{PREFIX}.audio.caller.{talker_id}"


def agent_audio(edge_id: str) -> str:
    """Talker to edge: batches of agent audio and of what is being said."""
    return f"{PREFIX}.audio.agent.{edge_id}"


def undelivered(edge_id: str, talker_id: str) -> str:
    """Reply subject of what an edge sends a talker: a probe is answered here, and NATS says here if nobody is there."""
    return f"{PREFIX}.undelivered.{edge_id}.{talker_id}"


def undelivered_to_any(edge_id: str) -> str:
    """What an edge subscribes to in order to hear of every lost talker."""
    return f"{PREFIX}.undelivered.{edge_id}.*"


def offer(pool: Pool) -> str:
    """Edge to any member of a pool of talkers, when it knows of none with room (request, queue group)."""
    return f"{PREFIX}.offer.{pool}"


def offer_to(pool: Pool, talker_id: str) -> str:
    """Edge to one talker it has chosen (request)."""
    return f"{PREFIX}.offer.{pool}.{talker_id}"


def probe(pool: Pool) -> str:
    """A session without a caller, please: to any member of a pool of talkers (request, queue group)."""
    return f"{PREFIX}.probe.{pool}"


def talker(talker_id: str) -> str:
    """Commands to one talker."""
    return f"{PREFIX}.talker.{talker_id}"


def edge(edge_id: str) -> str:
    """Commands to one edge."""
    return f"{PREFIX}.edge.{edge_id}"


def heartbeat(kind: ProcessKind, process_id: str) -> str:
    """One process's sign of life."""
    return f"{PREFIX}.heartbeat.{kind}.{process_id}"


def heartbeats_of(kind: ProcessKind) -> str:
    """The signs of life of every process of one kind."""
    return f"{PREFIX}.heartbeat.{kind}.*"


def fact(call_id: str) -> str:
    """What happened in a call: core and captured by `FACTS`."""
    return f"{PREFIX}.fact.{call_id}"


def instructions(call_id: str) -> str:
    """Instruction revisions of a call: core and captured by `INSTRUCTIONS`."""
    return f"{PREFIX}.instructions.{call_id}"


def tool(name: str) -> str:
    """One tool, please: from a talker to whoever runs tools (request, queue group)."""
    return f"{PREFIX}.tool.{name}"


def outcome(provider: str) -> str:
    """Each attempt at a provider: ok or error class, and how long it took."""
    return f"{PREFIX}.outcome.{provider}"


def last_token(subject: str) -> str:
    """The receiver, process or call a subject ends with."""
    return subject.rsplit(".", 1)[1]
