"""The media side of a call: the stream that is attached now, from its handshake to its end."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from simulators.people.pcmu import SILENT_FRAME
from simulators.twilio import sids, steps, twiml
from simulators.twilio.diary import Diary, StreamEntry
from simulators.twilio.faults import broken_message
from simulators.twilio.line import SILENT_PAYLOAD
from simulators.twilio.media_socket import Ending, MediaSocket, connect
from simulators.twilio.media_stream import MarkReturned, MediaStream, PlaybackCleared, Reaction, StreamIds
from simulators.twilio.notices import Notice, TwilioError
from simulators.twilio.plan import CallPlan
from simulators.twilio.side_socket import door
from simulators.twilio.signature import Parameters
from simulators.twilio.twiml_fields import Target

Notify = Callable[[Target, Parameters], None]


class MediaLeg:
    """Attaches one stream after the other to a call; at most one at a time."""

    def __init__(self, plan: CallPlan, diary: Diary, notify: Notify) -> None:
        """`notify` posts a status callback without waiting for it."""
        self.verb: twiml.Stream | None = None  # the newest stream's, kept after its end for side sockets
        self.has_vanished = False
        self._plan = plan
        self._diary = diary
        self._notify = notify
        self._socket: MediaSocket | None = None

    @property
    def is_attached(self) -> bool:
        """Whether a stream runs."""
        return self._socket is not None

    async def run(self, verb: twiml.Stream) -> None:
        """Attach a stream and stay until it ends; a cancellation stops it properly. Raise TwilioError 31922."""
        if not self._plan.accepts_scheme_of(verb.url):
            raise TwilioError(31922, f"{verb.url}: only wss is accepted")
        ids = StreamIds(self._plan.account_sid, self._diary.call_sid, sids.stream_sid())
        media = MediaStream(ids, self._parameters(verb), [])
        socket = MediaSocket(media, lambda reaction: self._react(ids.stream_sid, reaction))
        if not await self._connect(verb, socket):
            return
        entry = self._attach(verb, socket)
        try:
            entry.ending = await asyncio.shield(socket.ended)
        finally:
            await self._detach(verb, entry, socket)
        if entry.ending.how == "broken":
            await asyncio.sleep(self._plan.drop_delay_s)

    def hear(self, now: float) -> bytes:
        """The frame of agent audio that sounds from `now` on."""
        return SILENT_FRAME if self._socket is None else self._socket.next_frame(now)

    def speak(self, payload: str) -> None:
        """Send a frame of caller audio (base64)."""
        if self._socket is not None:
            self._socket.send_caller_frame(payload)

    def press(self, digit: str) -> None:
        """Send a key."""
        if self._socket is not None:
            self._socket.send(self._socket.stream.digit(digit))
            self._diary.digits += digit
            self._diary.tell("dtmf", time.monotonic(), digit=digit)

    def misbehave(self, step: steps.Misbehave) -> None:
        """Send something broken."""
        if self._socket is None:
            return
        message = broken_message(step, self._socket.stream)
        if isinstance(message, bytes):
            self._socket.send_binary(message)
        else:
            self._socket.send(message)
        self._diary.tell("misbehaved", time.monotonic(), message=step.message)

    def stall_reading(self, seconds: float) -> None:
        """Read nothing for a while."""
        if self._socket is not None:
            self._socket.stall_reading(seconds)

    def drop(self) -> None:
        """Break the TCP connection."""
        if self._socket is not None:
            self._socket.abort()

    def vanish(self) -> None:
        """Break the connection and say nothing about it, now or later."""
        self.has_vanished = True
        self.drop()

    def _parameters(self, verb: twiml.Stream) -> dict[str, str]:
        """The custom parameters, as the script's faults change them."""
        merged = dict(verb.parameters) | self._plan.script.faults.parameters
        return {name: value for name, value in merged.items() if value is not None}

    async def _connect(self, verb: twiml.Stream, socket: MediaSocket) -> bool:
        signature = self._plan.signer.headers(verb.url, fault=self._plan.script.faults.socket_signature)
        try:
            await connect(socket, door(self._plan, verb.url, signature))
        except TwilioError as error:
            self._diary.tell("stream_refused", time.monotonic(), url=verb.url, text=str(error))
            self._fail(verb, socket.stream.ids.stream_sid, error.notice)
            return False
        return True

    def _attach(self, verb: twiml.Stream, socket: MediaSocket) -> StreamEntry:
        media = socket.stream
        connected, start = media.opening()
        socket.send(connected)
        if self._plan.script.faults.media_before_start:
            socket.send(media.caller_frame(SILENT_PAYLOAD))
        socket.send(start)
        self._socket, self.verb = socket, verb
        entry = StreamEntry(verb.url, media, time.monotonic())
        self._diary.attached(entry)
        self._report(verb, media.ids.stream_sid, "stream-started")
        return entry

    async def _detach(self, verb: twiml.Stream, entry: StreamEntry, socket: MediaSocket) -> None:
        """The stream has ended, or the call goes on without it."""
        self._socket = None
        if entry.ending is None:
            entry.ending = Ending("broken" if self.has_vanished else "stopped")
        ending, sid = entry.ending, entry.stream.ids.stream_sid
        self._diary.detached(entry)
        if ending.how == "stopped":
            await socket.stop()
        else:
            socket.abort()
        if ending.how == "broken":
            self._fail(verb, sid, Notice(31903, "the connection broke without a close"))
            return
        if ending.how == "server_closed":
            self._diary.note(Notice(31921, f"code {ending.code} {ending.reason}".rstrip()))
        self._report(verb, sid, "stream-stopped")

    def _react(self, sid: str, reaction: Reaction) -> None:
        now = time.monotonic()
        match reaction:
            case MarkReturned(name=name, by_clear=by_clear):
                self._diary.marks.append((now, sid, reaction))
                self._diary.tell("mark", now, name=name, by_clear=by_clear)
            case PlaybackCleared(dropped_ms=dropped_ms):
                self._diary.clears.append((now, sid, reaction))
                self._diary.tell("clear", now, dropped_ms=dropped_ms)
            case Notice():
                self._diary.note(reaction)
            case _:
                pass  # Send: the socket has done it

    def _fail(self, verb: twiml.Stream, sid: str, notice: Notice) -> None:
        if not self.has_vanished:
            self._diary.note(notice)
            self._report(verb, sid, "stream-error", str(notice))

    def _report(self, verb: twiml.Stream, sid: str, event: str, error: str = "") -> None:
        if verb.status_callback is None or self.has_vanished:
            return
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said: Parameters = (
            ("StreamSid", sid),
            ("StreamName", verb.name or sid),
            ("StreamEvent", event),
            ("Timestamp", timestamp),
        )
        self._notify(verb.status_callback, (*said, ("StreamError", error)) if error else said)
