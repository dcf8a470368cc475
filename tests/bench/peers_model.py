"""The model's end of the load: enough of the Realtime API to hold many conversations for almost nothing."""

from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from .board import CallBoard
from .model_events import EventWriter, ResponseWriter
from .schedule import (
    CYCLE_S,
    DELTA_EVERY_S,
    DELTA_S,
    GREETING_DELTAS,
    REPLY_DELTAS,
    Act,
    cycle,
    first_cycle_at,
)
from .stamps import audio_bytes_in, read_stamps
from .timeline import Timeline


class _FromSystem(msgspec.Struct):
    type: str
    audio: str | None = None
    session: dict[str, Any] | None = None
    item: dict[str, Any] | None = None
    item_id: str | None = None
    content_index: int | None = None
    audio_end_ms: int | None = None
    event_id: str | None = None


_decode: Final = msgspec.json.Decoder(_FromSystem).decode
_GREETING_AUDIO_S: Final = GREETING_DELTAS * DELTA_S


class Calls(Protocol):
    """What a session needs of the load it is part of."""

    timeline: Timeline
    cycles_from: float
    size: int

    def board(self, call: int) -> CallBoard: ...
    def is_hearing_agent(self, call: int, now: float) -> bool: ...


class ModelSession(WSListener):
    """One speech session; which call it serves it learns from the first caller frame."""

    def __init__(self, name: str, calls: Calls) -> None:
        self._calls = calls
        self._events = EventWriter(name)
        self._name = name
        self._transport: WSTransport | None = None
        self._board: CallBoard | None = None
        self._response: ResponseWriter | None = None
        self._responses = 0
        self._turns = 0
        self._audio_bytes = 0
        self.is_open = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.is_open = True
        self._send(self._events.session_event("session.created", {}))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_open = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = monotonic()
        if frame.msg_type is WSMsgType.TEXT:
            event = _decode(frame.get_payload_as_memoryview())
            if event.audio is not None:
                self._hear(event.audio, now)
            else:
                self._obey(event, now)
        elif frame.msg_type is WSMsgType.CLOSE:
            self.is_open = False
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def _hear(self, payload: str, now: float) -> None:
        self._audio_bytes += audio_bytes_in(payload)
        for stamp in read_stamps(payload):
            if self._board is None:
                self._board = self._calls.board(stamp.call)
                self._begin_cycles(now)
            self._board.frame_arrived(stamp, now)

    def _obey(self, event: _FromSystem, now: float) -> None:
        match event.type:
            case "session.update":
                self._send(self._events.session_event("session.updated", event.session or {}))
            case "conversation.item.create":
                self._add_item(event.item or {})
            case "conversation.item.truncate":
                self._truncate(event)
            case "response.create":
                self._calls.timeline.at(now, lambda at: self._reply(GREETING_DELTAS, at))
            case "response.cancel" if self._response is not None:
                self._send_all(self._response.cancelled())
                self._response = None
            case _:
                error = {"type": "invalid_request_error", "code": "invalid_value", "message": event.type}
                self._send(self._events.event("error", error=error | {"event_id": event.event_id}))

    def _add_item(self, item: dict[str, Any]) -> None:
        self._turns += 1
        added = {"id": f"item_{self._name}_c{self._turns}", "object": "realtime.item"} | item
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._send(self._events.event(kind, item=added, previous_item_id=None))

    def _truncate(self, event: _FromSystem) -> None:
        if self._board is not None:
            self._board.truncated()
        fields = {
            "item_id": event.item_id,
            "content_index": event.content_index,
            "audio_end_ms": event.audio_end_ms,
        }
        self._send(self._events.event("conversation.item.truncated", **fields))

    def _begin_cycles(self, now: float) -> None:
        assert self._board is not None
        call, calls = self._board.number, self._calls.size
        begin = first_cycle_at(call % calls, calls, self._calls.cycles_from, now + _GREETING_AUDIO_S + 0.5)
        self._calls.timeline.at(begin, lambda _: self._run_cycle(call, begin))

    def _run_cycle(self, number: int, begin: float) -> None:
        if not self.is_open:
            return
        timeline = self._calls.timeline
        for step in cycle(number):
            timeline.at(begin + step.at_s, partial(self._act, step.act))
        timeline.at(begin + CYCLE_S, lambda _: self._run_cycle(number + 1, begin + CYCLE_S))

    def _act(self, act: Act, now: float) -> None:
        match act:
            case Act.HEAR_SPEECH:
                self._hear_speech()
            case Act.INTERRUPT:
                self._interrupt()
            case Act.HEAR_SILENCE:
                self._send_all(self._events.caller_turn(self._caller_item(), self._audio_bytes // 8))
            case Act.REPLY:
                self._reply(REPLY_DELTAS, now)

    def _hear_speech(self) -> None:
        self._turns += 1
        self._send(self._events.speech_started(self._caller_item(), self._audio_bytes // 8))

    def _interrupt(self) -> None:
        """Says that the caller speaks; measured only if there is something for the caller to interrupt."""
        assert self._board is not None
        now = monotonic()
        if self._calls.is_hearing_agent(self._board.number, now):
            self._board.interrupted(now)
        self._hear_speech()
        if self._response is not None:
            self._send_all(self._response.cancelled())
            self._response = None

    def _reply(self, deltas: int, now: float) -> None:
        if self._response is not None:
            error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response"}
            self._send(self._events.event("error", error=error | {"message": "active response"}))
            return
        self._responses += 1
        response = self._response = ResponseWriter(self._events, self._responses)
        self._send_all(response.begun())
        for number in range(deltas):
            due = now + number * DELTA_EVERY_S
            self._calls.timeline.at(due, partial(self._say, response, number))
        self._calls.timeline.at(now + deltas * DELTA_EVERY_S, lambda _: self._finish(response))

    def _say(self, response: ResponseWriter, number: int, _: float) -> None:
        if self._response is not response:
            return
        if number == 0 and self._board is not None:
            now = monotonic()
            self._board.reply_begins(response.number, now)
            self._send(response.stamped_audio(self._board.number, now))
        else:
            self._send(response.audio())
        self._send(response.words())

    def _finish(self, response: ResponseWriter) -> None:
        if self._response is response:
            self._response = None
            self._send_all(response.completed())

    def _caller_item(self) -> str:
        return f"item_{self._name}_u{self._turns}"

    def _send_all(self, events: Iterable[bytes]) -> None:
        for event in events:
            self._send(event)

    def _send(self, event: bytes) -> None:
        if self.is_open and self._transport is not None:
            self._transport.send(WSMsgType.TEXT, event)
