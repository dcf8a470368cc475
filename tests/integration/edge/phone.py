"""Twilio's side by hand: signed webhooks and a media socket that sends as Twilio does and answers what a test says."""

import asyncio
import contextlib
import json
import secrets
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode
from xml.etree import ElementTree

from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fakes.waiting import until

ACCOUNT: Final = "AC" + "0" * 32
AUTH_TOKEN: Final = "an-auth-token-of-twilio"
CALLER: Final = "+15550100123"
DIALLED: Final = "+15550100200"
FRAME_MS: Final = 20
LOUD: Final = b"\x90" * 160
"""A frame of somebody who speaks."""


@dataclass(frozen=True)
class Answer:
    """What a webhook got."""

    status: int
    body: str

    @property
    def verbs(self) -> list[str]:
        """The verbs of the TwiML."""
        return [element.tag for element in ElementTree.fromstring(self.body)]

    @property
    def said(self) -> str | None:
        """The sentence the carrier speaks."""
        return ElementTree.fromstring(self.body).findtext("Say")

    @property
    def parameters(self) -> dict[str, str]:
        """What the stream brings along."""
        found = ElementTree.fromstring(self.body).iter("Parameter")
        return {element.attrib["name"]: element.attrib["value"] for element in found}


def new_call_sid() -> str:
    return f"CA{secrets.token_hex(16)}"


@dataclass
class Stream:
    """One media stream. `line` sends caller audio in real time; what comes back is kept until a test plays it."""

    socket: ClientConnection
    call_sid: str
    stream_sid: str = field(default_factory=lambda: f"MZ{secrets.token_hex(16)}")
    received: list[dict[str, Any]] = field(default_factory=list)
    returned_marks: int = 0
    frames_sent: int = 0
    is_speaking: bool = False
    """True: the frames that follow are loud."""

    async def send(self, event: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"event": event, "streamSid": self.stream_sid, **fields}))

    async def start(self, parameters: dict[str, str], **changes: Any) -> None:
        """`connected` and `start`."""
        await self.socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        body = {
            "streamSid": self.stream_sid,
            "accountSid": ACCOUNT,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }
        await self.send("start", sequenceNumber="1", start=body | changes)

    async def frame(self) -> None:
        """The next 20 ms of the caller. Its sound says which frame it is."""
        number = self.frames_sent
        self.frames_sent += 1
        media = {
            "track": "inbound",
            "chunk": str(number + 1),
            "timestamp": str(number * FRAME_MS),
            "payload": b64encode(LOUD if self.is_speaking else frame_sound(number)).decode(),
        }
        await self.send("media", sequenceNumber=str(number + 2), media=media)

    async def press(self, digit: str) -> None:
        await self.send("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def hang_up(self) -> None:
        await self.send("stop", stop={"accountSid": ACCOUNT, "callSid": self.call_sid})

    async def play(self) -> None:
        """All that was sent is played: return every mark not yet returned."""
        marks = [message["mark"]["name"] for message in self.received if message["event"] == "mark"]
        for name in marks[self.returned_marks :]:
            await self.send("mark", mark={"name": name})
        self.returned_marks = len(marks)

    @property
    def agent_audio(self) -> bytes:
        """All audio that came, cleared or not."""
        media = (message["media"]["payload"] for message in self.received if message["event"] == "media")
        return b"".join(b64decode(payload) for payload in media)

    def events(self) -> list[str]:
        """What came, in order."""
        return [message["event"] for message in self.received]

    async def hears(self, size: int) -> None:
        """Wait until that many bytes of agent audio came."""
        await until(lambda: len(self.agent_audio) >= size)

    @property
    def is_open(self) -> bool:
        return self.socket.close_code is None

    async def closed(self) -> int:
        """Wait until the edge closed the socket. Returns the close code."""
        await until(lambda: self.socket.close_code is not None)
        return self.socket.close_code or 0

    async def read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self.socket:
                assert isinstance(message, str), "Twilio takes text only"
                decoded = json.loads(message)
                assert decoded["streamSid"] == self.stream_sid
                self.received.append(decoded)

    async def line(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.frame()
                await asyncio.sleep(FRAME_MS / 1000)


def frame_sound(number: int) -> bytes:
    """The sound of one frame: its number in quiet samples, so that order and place can be seen and nobody speaks."""
    return bytes(0xF0 | int(digit, 16) for digit in f"{number:08x}") * 20


@dataclass(frozen=True)
class Phone:
    """Twilio, as far as one installation of edges sees it."""

    public_base_url: str
    reached_at: str = ""
    """Where requests really go, if not to the public address (a load balancer in front of several edges)."""

    @property
    def _base(self) -> str:
        return self.reached_at or self.public_base_url

    async def post(
        self, path: str, form: dict[str, str], *, signature: str | None = None, body: bytes | None = None
    ) -> Answer:
        """One webhook, signed as Twilio signs unless told otherwise."""
        signed = RequestValidator(AUTH_TOKEN).compute_signature(self.public_base_url + path, form)
        headers = {
            "X-Twilio-Signature": signed if signature is None else signature,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        data = urlencode(form).encode() if body is None else body
        request = urllib.request.Request(self._base + path, data, headers, method="POST")
        return await asyncio.to_thread(_fetch, request)

    async def webhook(self, kind: str, call_sid: str, **fields: str) -> Answer:
        """`/twilio/voice`, `/twilio/resume` or `/twilio/stream-status` of a call."""
        form = {"CallSid": call_sid, "AccountSid": ACCOUNT, "From": CALLER, "To": DIALLED, "CallStatus": "in-progress"}
        return await self.post(f"/twilio/{kind}", form | fields)

    async def follow(self, answer: Answer, call_sid: str, **fields: str) -> Answer:
        """What a `<Redirect>` leads to."""
        target = ElementTree.fromstring(answer.body).findtext("Redirect") or ""
        assert target.startswith(f"{self.public_base_url}/twilio/")
        return await self.webhook(target.removeprefix(f"{self.public_base_url}/twilio/"), call_sid, **fields)

    async def connected(self, call_sid: str) -> Answer:
        """`/twilio/voice` until the call is taken: a talker may not have been noticed yet."""
        async with asyncio.timeout(20):
            while "Connect" not in (answer := await self.webhook("voice", call_sid)).verbs:
                await asyncio.sleep(0.02)
        return answer

    @contextlib.asynccontextmanager
    async def socket(self, call_sid: str, *, signature: str | None = None) -> AsyncIterator[Stream]:
        """An open media socket that has said nothing yet. Raises `InvalidStatus` if the upgrade is refused."""
        public = f"ws{self.public_base_url.removeprefix('http')}/twilio/media"
        signed = RequestValidator(AUTH_TOKEN).compute_signature(public, {}) if signature is None else signature
        url = f"ws{self._base.removeprefix('http')}/twilio/media"
        async with connect(
            url, additional_headers={"x-twilio-signature": signed}, compression=None, proxy=None
        ) as socket:
            stream = Stream(socket, call_sid)
            reading = asyncio.create_task(stream.read())
            try:
                yield stream
            finally:
                await socket.close()
                await reading

    @contextlib.asynccontextmanager
    async def stream(self, call_sid: str, parameters: dict[str, str]) -> AsyncIterator[Stream]:
        """A started stream whose line is open."""
        async with self.socket(call_sid) as stream:
            await stream.start(parameters)
            line = asyncio.create_task(stream.line())
            try:
                yield stream
            finally:
                line.cancel()
                await asyncio.gather(line, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def call(self, call_sid: str = "") -> AsyncIterator[Stream]:
        """A whole call: webhook, socket, start, and the line open."""
        call_sid = call_sid or new_call_sid()
        answer = await self.connected(call_sid)
        async with self.stream(call_sid, answer.parameters) as stream:
            yield stream


async def refusal_of_upgrade(phone: Phone, **socket: Any) -> int:
    """The status an upgrade is refused with; 0 if it is not."""
    try:
        async with phone.socket(new_call_sid(), **socket):
            return 0
    except InvalidStatus as error:
        return error.response.status_code


def _fetch(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return Answer(response.status, response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode())


async def fetch(url: str) -> Answer:
    """A plain GET."""
    return await asyncio.to_thread(_fetch, urllib.request.Request(url))
