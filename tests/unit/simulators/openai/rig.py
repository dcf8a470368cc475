"""A session of the OpenAI simulator under a virtual clock; every event it sends is checked with the SDK's models."""

import base64
import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, get_args

from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import BaseModel

from simulators.openai.faults.book import FaultBook, Subject
from simulators.openai.faults.kinds import FaultList
from simulators.openai.realtime.commands import Close, Command, Send, SendRaw, Tick
from simulators.openai.realtime.session import RealtimeSession
from simulators.openai.realtime.world import World
from simulators.openai.script import Script
from simulators.openai.voices import Voices
from simulators.people.recognition import Recogniser
from simulators.people.recordings import load, load_all

Event = dict[str, Any]
FRAME_S = 0.02
SILENCE = b"\xff" * 160
PHONE = {
    "type": "realtime",
    "audio": {
        "input": {"format": {"type": "audio/pcmu"}, "transcription": {"model": "gpt-transcribe"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    },
}
# Fields of real sessions that the SDK's model of a session request does not declare.
_MORE_IN_SESSIONS = {"id", "object", "expires_at"}


@cache
def shared() -> tuple[Voices, Recogniser]:
    """Voices and recogniser of all recordings, made once."""
    return Voices(load_all()), Recogniser(load_all())


@cache
def server_models() -> dict[str, type[BaseModel]]:
    """The SDK's model of every server event, by its type."""
    return models_of(RealtimeServerEvent)


def models_of(union: Any) -> dict[str, type[BaseModel]]:
    """The members of one of the SDK's discriminated unions, by their type."""
    members = get_args(get_args(union)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in members}


def check_server_event(event: Event) -> None:
    """Fail unless the SDK's model takes the event and declares all of its fields."""
    parsed = server_models()[event["type"]].model_validate(event)
    assert not list(undeclared(parsed)), event["type"]


def undeclared(value: object) -> Iterable[str]:
    """Fields at any depth that the SDK's models do not declare."""
    if isinstance(value, BaseModel):
        extra = set(value.model_extra or {})
        yield from extra - (_MORE_IN_SESSIONS if type(value).__name__ == "RealtimeSessionCreateRequest" else set())
        for name in type(value).model_fields:
            yield from undeclared(getattr(value, name))
    elif isinstance(value, list):
        for element in value:
            yield from undeclared(element)


class Rig:
    """Feeds a session and collects what it does."""

    def __init__(
        self,
        script: object = None,
        *,
        model: str = "gpt-realtime-2.1",
        faults: object = None,
        is_marking: bool = False,
    ) -> None:
        voices, recogniser = shared()
        parsed = Script.model_validate(script or {})
        self.now = 1000.0
        self.book = FaultBook(parsed.faults)
        self.subject = Subject(1, "sess_0123456789ab", "sk-test", model)
        world = World(parsed, voices, recogniser, is_marking)
        self.session = RealtimeSession(world, self.subject, 2_000_000_000)
        self.events: list[Event] = []
        self.raw: list[str | bytes] = []
        self.closed: Close | None = None
        if faults:
            self.set_fault(faults)
        self._take(self.session.start(self.book.of_new_session(self.subject), self.now))

    def set_fault(self, fault: object, *, running: bool = False) -> None:
        """Set faults; `running`: the open session meets them."""
        for kind in FaultList.model_validate(fault).faults:
            entry = self.book.add(kind)
            if running:
                self._take(self.session.feed(entry, self.now))

    def phone(self, **turn_detection: Any) -> None:
        """Configure as a phone call is: pcmu both ways, transcription on."""
        session: Event = json.loads(json.dumps(PHONE))
        if turn_detection:
            session["audio"]["input"]["turn_detection"] = {"type": "server_vad", **turn_detection}
        assert self.types(self.send("session.update", session=session)) == ["session.updated"]

    def send(self, kind: str, **fields: Any) -> list[Event]:
        """One client event; what it was answered with at once."""
        return self._take(self.session.feed(json.dumps({"type": kind, **fields}), self.now))

    def refused(self, kind: str, **fields: Any) -> Event:
        """The error of an event that must be answered with exactly one error."""
        events = self.send(kind, **fields)
        assert self.types(events) == ["error"], self.types(events)
        error: Event = events[0]["error"]
        return error

    def text(self, message: str | bytes) -> list[Event]:
        """One raw message."""
        return self._take(self.session.feed(message, self.now))

    def append(self, pcmu: bytes) -> list[Event]:
        """One append, without time passing."""
        return self.send("input_audio_buffer.append", audio=base64.b64encode(pcmu).decode())

    def hear(self, pcmu: bytes) -> list[Event]:
        """Audio in 20 ms frames, in real time."""
        events: list[Event] = []
        for start in range(0, len(pcmu), 160):
            events += self.run(FRAME_S) + self.append(pcmu[start : start + 160])
        return events

    def say(self, name: str, silence_s: float = 0.8) -> list[Event]:
        """A recorded caller speaks, then is silent."""
        return self.hear(load(name).pcmu + SILENCE * round(silence_s / FRAME_S))

    def run(self, seconds: float) -> list[Event]:
        """Let time pass; the session gets its ticks."""
        end, events = self.now + seconds, list[Event]()
        while (deadline := self.session.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            events += self._take(self.session.feed(Tick(), self.now))
        self.now = end
        return events

    def item(self, role: str, text: str, **fields: Any) -> Event:
        """Seed one message; the item as it was added."""
        kind = "output_text" if role == "assistant" else "input_text"
        body = {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **fields}
        events = self.send("conversation.item.create", item=body)
        assert self.types(events) == ["conversation.item.added", "conversation.item.done"], events
        added: Event = events[0]["item"]
        return added

    @staticmethod
    def types(events: Sequence[Event]) -> list[str]:
        """The types, in order."""
        return [event["type"] for event in events]

    @staticmethod
    def of(events: Sequence[Event], kind: str) -> list[Event]:
        """The events of one type."""
        return [event for event in events if event["type"] == kind]

    def _take(self, commands: list[Command]) -> list[Event]:
        assert self.closed is None or not commands
        sent: list[Event] = []
        for command in commands:
            match command:
                case Send(event):
                    check_server_event(event)
                    sent.append(event)
                case SendRaw(data):
                    self.raw.append(data)
                case Close():
                    self.closed = command
        self.events += sent
        return sent


def audio_of(events: Sequence[Event]) -> bytes:
    """The agent audio in these events."""
    return b"".join(base64.b64decode(event["delta"]) for event in Rig.of(events, "response.output_audio.delta"))
