"""One Realtime session: client events, audio and time go in, server events come out (sections 1.2 to 1.9)."""

import binascii
from collections.abc import Callable
from typing import Final

from simulators.openai.faults.armed import ArmedFaults, Happening
from simulators.openai.faults.book import Entry, Subject
from simulators.openai.faults.kinds import BlackHole, CloseSession, GarbageEvent, SessionCap
from simulators.openai.faults.rubbish import rubbish
from simulators.openai.realtime import asking, refusals
from simulators.openai.realtime.client_events import Append, check, decode
from simulators.openai.realtime.commands import Close, Command, Incoming, Send, SendRaw, Tick
from simulators.openai.realtime.configuration import PCMU, new_session, updated
from simulators.openai.realtime.conversation import Conversation, Item
from simulators.openai.realtime.hearing import Hearing
from simulators.openai.realtime.ids import Ids
from simulators.openai.realtime.ledger import Ledger
from simulators.openai.realtime.refusals import Json, Refusal
from simulators.openai.realtime.response import Response
from simulators.openai.realtime.speaking import Speaking
from simulators.openai.realtime.transcripts import Transcripts
from simulators.openai.realtime.vad import Edge, SpeechStarted
from simulators.openai.realtime.world import World
from simulators.people.pcmu import BYTES_PER_MS
from simulators.people.watermark import Marker

CAP_CODE: Final = 1001
CAP_REASON: Final = "Your session hit the maximum duration of 60 minutes."
MAX_APPEND_BYTES: Final = 15 * 1024 * 1024


class RealtimeSession:
    """Call `start`, then `feed` with what comes; perform the commands in order. Ask `next_deadline` after commands."""

    def __init__(self, world: World, subject: Subject, expires_at: int) -> None:
        self.session_id = session_id = subject.session_id
        self.ids = Ids(session_id.removeprefix("sess_")[:12])
        self.configuration = new_session(session_id, subject.model, expires_at)
        self.conversation = Conversation(self.ids.new("conv"))
        self.hearing = Hearing(self.configuration["audio"]["input"]["turn_detection"])
        self.ledger = Ledger()
        self.is_dark = False
        """Answers nothing any more."""
        self.is_closed = False
        self._world = world
        self._faults = ArmedFaults()
        marker = Marker(subject.number) if world.is_marking else None
        self.speaking = Speaking(world, self.ids, self.conversation, self._faults, marker)
        self._transcripts = Transcripts()
        self._idle_at: float | None = None
        self._cap_at = 0.0
        self._handlers: dict[str, Callable[[Json, float], list[Json]]] = {
            "session.update": self._on_session_update,
            "input_audio_buffer.commit": self._on_commit,
            "input_audio_buffer.clear": self._on_clear,
            "conversation.item.create": self._on_item_create,
            "conversation.item.delete": self._on_item_delete,
            "conversation.item.retrieve": self._on_item_retrieve,
            "conversation.item.truncate": self._on_item_truncate,
            "response.create": self._on_response_create,
            "response.cancel": self._on_response_cancel,
            "output_audio_buffer.clear": self._on_output_clear,
        }

    @property
    def model(self) -> str:
        """The model of the session; never changes."""
        return str(self.configuration["model"])

    @property
    def _turn_detection(self) -> Json:
        return self.configuration["audio"]["input"]["turn_detection"] or {}

    # Going in

    def start(self, faults: list[Entry], now: float) -> list[Command]:
        """The socket is open."""
        self._cap_at = now + self._world.script.account.max_session_s
        self._faults.open(now)
        for entry in faults:
            self._faults.arm(entry, now, 0)
        # A black hole from the start swallows even the first event, so faults come first.
        commands = self._happen(now)
        if not self.is_dark and not self.is_closed:
            commands[:0] = self._emit([{"type": "session.created", "session": self.configuration}])
        return commands

    def feed(self, incoming: Incoming, now: float) -> list[Command]:
        """What to do about a message, a fault or the passing of time."""
        if self.is_closed:
            return []
        if isinstance(incoming, Tick):
            return self._on_tick(now)
        if isinstance(incoming, Entry):
            self._faults.arm(incoming, now, self.speaking.ended)
            return self._happen(now)
        if self.is_dark:
            self.ledger.unanswered += 1
            return []
        events = self._on_message(incoming, now)
        # Audio that answers nothing cannot make a fault due: time does that, or the end of a response.
        return self._emit(events) + self._happen(now) if events else []

    def next_deadline(self) -> float | None:
        """When to feed a `Tick`."""
        if self.is_closed:
            return None
        deadlines = [self._faults.next_deadline(self.speaking.ended)]
        if not self.is_dark:
            deadlines += [self._cap_at, self._idle_at, self._transcripts.next_deadline(), self.speaking.next_deadline()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _on_message(self, message: str | bytes, now: float) -> list[Json]:
        """The events that answer one message; a refusal is answered by exactly one `error`."""
        kind, event_id = "?", None
        try:
            if isinstance(message, bytes):
                raise refusals.binary_frame()
            event = decode(message)
            if isinstance(event, Append):
                kind, event_id = event.type, event.event_id or None
                return self._on_append(event.audio, now)
            kind = str(event.get("type", "?"))
            event_id = event.get("event_id")
            check(event)
            self.ledger.client_events[kind] += 1
            return self._handlers[kind](event, now)
        except Refusal as refusal:
            self.ledger.refuse(refusal, kind, now)
            return [refusal.event(event_id if isinstance(event_id, str) else None)]

    def _on_tick(self, now: float) -> list[Command]:
        if self.is_dark:
            return self._happen(now)
        if now >= self._cap_at:
            return self._end_by_age()
        events = self._transcripts.due(now) + self.speaking.advance(now)
        if self._idle_at is not None and self._idle_at <= now:
            events += self._on_idle(now)
        return self._emit(events) + self._happen(now)

    # Hearing

    def _on_append(self, audio: str, now: float) -> list[Json]:
        self.ledger.client_events["input_audio_buffer.append"] += 1
        if self.configuration["audio"]["input"]["format"] != PCMU:
            message = "This simulator hears only 'audio/pcmu': set session.audio.input.format first."
            raise refusals.invalid_value("session.audio.input.format", message)
        try:
            pcmu = binascii.a2b_base64(audio, strict_mode=True)
        except binascii.Error:
            message = "Invalid 'audio'. Expected base64-encoded audio bytes but got an invalid value."
            raise refusals.invalid_value("audio", message) from None
        if len(pcmu) > MAX_APPEND_BYTES:
            raise refusals.invalid_value("audio", "Invalid 'audio': at most 15 MiB may be appended at once.")
        hearing = self.hearing
        self.ledger.appends.add(len(pcmu), hearing.tape.position, now)
        edges = hearing.append(pcmu)
        return [event for edge in edges for event in self._on_edge(edge, now)] if edges else []

    def _on_edge(self, edge: Edge, now: float) -> list[Json]:
        if isinstance(edge, SpeechStarted):
            return self._on_speech_started(edge, now)
        self.ledger.hear("stopped", edge.audio_end_ms, now)
        item_id = self.hearing.item_id or self.ids.new("item")
        stopped = {
            "type": "input_audio_buffer.speech_stopped",
            "audio_end_ms": edge.audio_end_ms,
            "item_id": item_id,
        }
        turn = self._commit(item_id, self.hearing.take_turn(edge.audio_end_ms), now)
        return [stopped, *turn, *self._respond_by_itself(now)]

    def _on_speech_started(self, edge: SpeechStarted, now: float) -> list[Json]:
        self.ledger.hear("started", edge.audio_start_ms, now)
        item_id = self.ids.new("item")
        self.hearing.begin_turn(edge, item_id)
        self._idle_at = None
        started = {
            "type": "input_audio_buffer.speech_started",
            "audio_start_ms": edge.audio_start_ms,
            "item_id": item_id,
        }
        return [started, *(self.speaking.interrupt(now) if self._turn_detection.get("interrupt_response") else [])]

    def _commit(self, item_id: str, pcmu: bytes, now: float) -> list[Json]:
        """A turn of the caller becomes an item."""
        heard = self._world.recogniser.recognise(pcmu)
        body = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        item = Item(item_id, body, "live", pcmu, None, heard.text, heard.names, now)
        previous = self.conversation.append(item)
        if self.configuration["audio"]["input"]["transcription"] is not None:
            self._transcripts.plan(item, now + self._world.script.transcription.delay_ms / 1000)
        committed = {"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item_id}
        return [committed, *_appearance(item, previous)]

    def _on_commit(self, event: Json, now: float) -> list[Json]:
        item_id = self.hearing.item_id or self.ids.new("item")
        return self._commit(item_id, self.hearing.take_buffer(), now)

    def _on_clear(self, event: Json, now: float) -> list[Json]:
        self.hearing.clear()
        return [{"type": "input_audio_buffer.cleared"}]

    def _on_output_clear(self, event: Json, now: float) -> list[Json]:
        raise refusals.output_buffer_on_websocket()

    def _on_idle(self, now: float) -> list[Json]:
        """Nobody spoke for `idle_timeout_ms` after the playback: an empty turn, and the model says something."""
        self._idle_at = None
        end_ms, item_id = self.hearing.position_ms, self.ids.new("item")
        start_ms = max(0, end_ms - self._turn_detection["idle_timeout_ms"])
        timeout = {
            "type": "input_audio_buffer.timeout_triggered",
            "audio_start_ms": start_ms,
            "audio_end_ms": end_ms,
            "item_id": item_id,
        }
        silence = self.hearing.tape.cut(start_ms * BYTES_PER_MS, end_ms * BYTES_PER_MS)
        self.hearing.clear()
        return [timeout, *self._commit(item_id, silence, now), *self._respond_by_itself(now)]

    # The session and its items

    def _on_session_update(self, event: Json, now: float) -> list[Json]:
        before = self.configuration
        self.configuration = updated(before, event["session"], has_spoken=self.speaking.has_spoken)
        self.hearing.configure(self.configuration["audio"]["input"]["turn_detection"])
        if not self._turn_detection.get("idle_timeout_ms"):
            self._idle_at = None
        self.ledger.update(event["session"], now)
        if self.configuration != before:
            self.ledger.updated_monotonic_s.append(now)
        return [{"type": "session.updated", "session": self.configuration}]

    def _on_item_create(self, event: Json, now: float) -> list[Json]:
        body = {"status": "completed", "object": "realtime.item", **event["item"]}
        item = Item(body.setdefault("id", self.ids.new("item")), body, "seeded", created_monotonic_s=now)
        for part in body.get("content", ()) if body["type"] == "message" else ():
            if part.get("type") == "input_audio":
                item.audio = self._seeded_audio(part.get("audio", ""))
        heard = self._world.recogniser.recognise(item.audio)
        item.said, item.recordings = item.text or heard.text, heard.names
        previous = self.conversation.create(item, event.get("previous_item_id"))
        return _appearance(item, previous)

    def _seeded_audio(self, audio: str) -> bytes:
        try:
            return binascii.a2b_base64(audio, strict_mode=True)
        except binascii.Error:
            raise refusals.invalid_value("item.content[0].audio", "Invalid 'audio': not base64.") from None

    def _on_item_delete(self, event: Json, now: float) -> list[Json]:
        self.conversation.delete(event["item_id"])
        return [{"type": "conversation.item.deleted", "item_id": event["item_id"]}]

    def _on_item_retrieve(self, event: Json, now: float) -> list[Json]:
        item = self.conversation.get(event["item_id"], "retrieve", "retrieving")
        return [{"type": "conversation.item.retrieved", "item": item.wire_with_audio()}]

    def _on_item_truncate(self, event: Json, now: float) -> list[Json]:
        item_id, end_ms = event["item_id"], event["audio_end_ms"]
        self.conversation.truncate(item_id, event["content_index"], end_ms)
        self.ledger.truncations.append({"item_id": item_id, "audio_end_ms": end_ms, "at_monotonic_s": now})
        answer = {"item_id": item_id, "content_index": event["content_index"], "audio_end_ms": end_ms}
        return [{"type": "conversation.item.truncated", **answer}]

    # Responses

    def _on_response_create(self, event: Json, now: float) -> list[Json]:
        overrides = event.get("response", {})
        asking.check_overrides(overrides)
        return self._respond(overrides, now)

    def _on_response_cancel(self, event: Json, now: float) -> list[Json]:
        return self.speaking.cancel(event.get("response_id"), now)

    def _respond_by_itself(self, now: float) -> list[Json]:
        """The automatic response after a turn; it fails with an `error` if one is still running."""
        if not self._turn_detection.get("create_response"):
            return []
        try:
            return self._respond({}, now)
        except Refusal as refusal:
            self.ledger.refuse(refusal, "(automatic response)", now)
            return [refusal.event(None)]

    def _respond(self, overrides: Json, now: float) -> list[Json]:
        events = self.speaking.respond(self.configuration, overrides, now)
        self._idle_at = None
        return events

    def _start_idle_clock(self, response: Response, now: float) -> None:
        """The clock starts when the caller has heard the whole answer."""
        idle_ms = self._turn_detection.get("idle_timeout_ms")
        if idle_ms and response.is_default and response.status == "completed" and not self.hearing.is_caller_speaking:
            heard_at = (response.times.first_audio or now) + response.audio_ms / 1000
            self._idle_at = max(now, heard_at) + idle_ms / 1000

    # Faults, and going out

    def _happen(self, now: float) -> list[Command]:
        """Note what ended, and carry out the faults that are due."""
        for response in self.speaking.take_newly_ended():
            self._start_idle_clock(response, now)
        commands: list[Command] = []
        for fault in self._faults.due(now, self.speaking.ended):
            self.ledger.faults.append({"kind": fault.kind, "at_monotonic_s": now})
            commands += self._carry_out(fault)
        return commands

    def _carry_out(self, fault: Happening) -> list[Command]:
        match fault:
            case CloseSession():
                self.is_closed = True
                return [Close(fault.code, fault.reason)]
            case BlackHole():
                self.is_dark = True
                return []
            case GarbageEvent():
                return [SendRaw(rubbish(fault.what, self.ids))]
            case SessionCap():
                return self._end_by_age()

    def _end_by_age(self) -> list[Command]:
        """As the API ends a session after an hour: an error, then close 1001 with the same words."""
        if self.is_dark:
            return []
        self.is_closed = True
        return [*self._emit([Refusal("session_expired", CAP_REASON).event(None)]), Close(CAP_CODE, CAP_REASON)]

    def _emit(self, events: list[Json]) -> list[Command]:
        for event in events:
            self.ledger.server_events[event["type"]] += 1
        return [Send({"event_id": self.ids.new("event"), **event}) for event in events]


def _appearance(item: Item, previous: str | None) -> list[Json]:
    """The pair of events by which an item that is complete appears in the conversation."""
    pair = ("conversation.item.added", "conversation.item.done")
    return [{"type": kind, "previous_item_id": previous, "item": item.wire()} for kind in pair]
