"""What is known of an outage's calls: what the carrier and the provider recorded, and what was told on the bus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.recorded import Call, Session, read_call, read_session
from chaos.told import Told

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """One call as the carrier saw it, under its id."""

    call_id: str
    call: Call


@dataclass(frozen=True, slots=True)
class Struck:
    """When the outage began and ended (monotonic seconds)."""

    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Chat:
    """One request for an answer of the turn-based pipeline."""

    at_s: float
    words: tuple[str, ...]
    """What it was told, message by message."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything an outage is judged by."""

    told: Told
    struck: Struck
    before: tuple[Placed, ...]
    """Calls that ran when it began."""
    during: tuple[Placed, ...] = ()
    after: tuple[Placed, ...] = ()
    unplaced: tuple[str, ...] = ()
    """Calls that could not even be placed: why."""
    sessions: Mapping[str, Session] = field(default_factory=dict)
    """The realtime sessions by their ids."""
    chats: tuple[Chat, ...] = ()

    @property
    def calls(self) -> tuple[Placed, ...]:
        """All that were placed."""
        return (*self.before, *self.during, *self.after)


def read_placed(results: Json) -> tuple[tuple[Placed, ...], tuple[str, ...]]:
    """The calls in what the callers' process wrote down, and those it could not place."""
    calls: Sequence[Json] = results["calls"]
    placed = tuple(
        Placed(each["result"]["call_sid"], read_call(each["number"], each["result"], each["heard"]))
        for each in calls
        if "result" in each
    )
    return placed, tuple(f"call {each['number']}: {each['problem']}" for each in calls if "result" not in each)


def read_sessions(records: Sequence[Json]) -> dict[str, Session]:
    """The simulator's sessions (`GET /_sim/sessions?marks=1`) by their ids."""
    return {record["session_id"]: read_session(record) for record in records}


def read_chats(requests: Sequence[Json]) -> tuple[Chat, ...]:
    """The chats among the simulator's requests (`GET /_sim/requests`)."""
    asked = (each for each in requests if each["endpoint"] == "chat" and each["asked"])
    return tuple(
        Chat(
            each["started_monotonic_s"],
            tuple(str(message["content"] or "").strip() for message in each["asked"]["messages"]),
        )
        for each in asked
    )
