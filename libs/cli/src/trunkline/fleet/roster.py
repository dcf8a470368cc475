"""Who lives: the processes whose heartbeats were heard, and how a person may call them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.messages.heartbeat import Heartbeat
from trunkline.fleet.choice import the_one


@dataclass(frozen=True, slots=True)
class Member:
    """One living process. `name` is what `trunkline up` calls it; empty if another supervisor runs it."""

    beat: Heartbeat
    name: str = ""

    @property
    def state(self) -> str:
        """What it does, in one word."""
        return "draining" if self.beat.is_draining else "running"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "name": self.name,
            **self.beat.model_dump(mode="json", exclude={"version", "is_farewell"}),
        }


class Roster:
    """The living processes. Feed it heartbeats; `names` are those of processes on this machine, by process id."""

    def __init__(self, names: Mapping[int, str], host: str) -> None:
        self._names = names
        self._host = host
        self._beats: dict[str, Heartbeat] = {}

    def feed(self, beat: Heartbeat) -> None:
        """Take one heartbeat in; a farewell takes its process out."""
        if beat.is_farewell:
            self._beats.pop(beat.process_id, None)
        else:
            self._beats[beat.process_id] = beat

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody, kind by kind."""
        everybody = (Member(beat, self._name(beat)) for beat in self._beats.values())
        return tuple(sorted(everybody, key=lambda one: (one.beat.kind, one.name, one.beat.process_id)))

    def is_alive(self, process_id: str) -> bool:
        """True if it was heard of."""
        return process_id in self._beats

    def find(self, typed: str) -> Member:
        """The process called so: its id, its name under `trunkline up`, its host if it is alone there, or the
        beginning of its id. Raises `TrunklineError` saying what to type instead."""
        members = self.members
        hosts = Counter(one.beat.host for one in members)
        for one in members:
            if typed in (one.beat.process_id, one.name) or (typed == one.beat.host and hosts[typed] == 1):
                return one
        chosen = the_one(typed, [one.beat.process_id for one in members], "process", "ps")
        return next(one for one in members if one.beat.process_id == chosen)

    def _name(self, beat: Heartbeat) -> str:
        return self._names.get(beat.pid, "") if beat.host == self._host else ""
