"""Lets media streams in: the upgrade's signature, then the token, then the call it joins; or turns them away."""

import asyncio
import time
from typing import Final

from common import logs, metrics, subjects
from common.errors import SecurityError, TrunklineError
from common.ids import is_subject_token
from common.messages.commands import LegState, WhoCarries
from edge.calls import Calls
from edge.legs.twilio.media import TwilioStream
from edge.legs.twilio.signature import SignatureCheck
from edge.legs.twilio.token import StreamToken, TokenMint
from edge.legs.twilio.wire import StartBody
from edge.profiles import Profiles
from edge.registry import CallEntry
from edge.session import Caller, Surroundings
from edge.settings import EdgeSettings

log = logs.get("twilio")

_ASK_WITHIN_S: Final = 0.15


class TwilioStreams:
    """The door for media sockets of one edge."""

    def __init__(
        self,
        settings: EdgeSettings,
        signatures: SignatureCheck,
        tokens: TokenMint,
        profiles: Profiles,
        around: Surroundings,
        calls: Calls,
    ) -> None:
        self._settings = settings
        self._edge_id = around.edge_id
        self._bus = around.bus
        self._signatures = signatures
        self._tokens = tokens
        self._profiles = profiles
        self._registry = around.registry
        self._calls = calls
        self._deciding: set[asyncio.Task[None]] = set()
        self._unproven = 0

    def admit(self, headers: dict[str, str]) -> TwilioStream:
        """An upgrade request. Raises `SecurityError` unless Twilio signed it and there is room to wait in."""
        self._signatures.check(self._settings.media_url, {}, headers)
        if self._unproven >= self._settings.edge_unauthenticated_sockets:
            raise SecurityError("too_many_sockets", "too many sockets wait for their start message")
        return TwilioStream(self._attach, self)

    def entered(self) -> None:
        """A socket is up and has not proven itself."""
        self._unproven += 1

    def left(self) -> None:
        """A socket was accepted, refused or closed."""
        self._unproven -= 1

    def _attach(self, stream: TwilioStream, start: StartBody) -> None:
        task = asyncio.create_task(self._decide(stream, start))
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decide(self, stream: TwilioStream, start: StartBody) -> None:
        try:
            token = await self._proven(start)
        except SecurityError as error:
            metrics.SECURITY_REJECTS.labels(error.kind).inc()
            stream.refuse(error.kind)
            return
        profile = self._profiles.by_name.get(token.profile)
        if profile is None:
            metrics.CALLS_REJECTED.labels("inbound", "twilio", "no_agent").inc()
            stream.refuse("no_agent")
            return
        if not self._bus.is_connected:
            metrics.CALLS_REJECTED.labels("inbound", "twilio", "bus_down").inc()
            stream.close()  # Twilio comes back to /twilio/resume, which answers with a sentence
            return
        if self._calls.carries(token.call_sid):
            self._refuse_second(stream)
            return
        with self._calls.joining(token.call_sid):
            last_epoch = await self._claimed(token)
            if last_epoch is None:
                self._refuse_second(stream)
            elif stream.is_alive:
                caller = Caller(token.call_sid, token.caller, token.dialled, profile, last_epoch)
                stream.accept(self._calls.start(caller, stream))
                log.info("stream joined", extra=logs.fields(call=caller.call_id))

    def _refuse_second(self, stream: TwilioStream) -> None:
        metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", "duplicate_stream").inc()
        stream.refuse("duplicate_stream")

    async def _proven(self, start: StartBody) -> StreamToken:
        """The stream's token. Raises `SecurityError` unless it is ours, fresh, unspent and of this very call."""
        if start.account_sid != self._settings.twilio_account_sid:
            raise SecurityError("unknown_account", "the stream belongs to another account")
        token = self._tokens.read(start.custom_parameters.get("token", ""), time.time())
        if token.call_sid != start.call_sid or not is_subject_token(token.call_sid):
            raise SecurityError("bad_token", "the token belongs to another call")
        await self._registry.spend(token.nonce)
        return token

    async def _claimed(self, token: StreamToken) -> int | None:
        """The highest epoch the call is known to have had, once it is ours; it goes up from there.

        None if its leg lives at another edge already: a second stream would be a second voice.
        """
        entry = CallEntry(edge_id=self._edge_id, state="live", profile=token.profile)
        held = await self._registry.claim(token.call_sid, entry)
        if held is None:
            return 0
        if held.entry.state == "live" and await self._lives_at(held.entry.edge_id, token.call_sid):
            return None
        ours = entry.model_copy(update={"epoch": held.entry.epoch})
        return held.entry.epoch if await self._registry.claim(token.call_sid, ours, over=held) is None else None

    async def _lives_at(self, edge_id: str, call_id: str) -> bool:
        """Ask the edge that the registry names. No answer: it does not."""
        if edge_id == self._edge_id:
            return False
        try:
            data = await self._bus.request(subjects.edge(edge_id), WhoCarries(call_id=call_id).encode(), _ASK_WITHIN_S)
            return LegState.decode(data).is_alive
        except TrunklineError:
            return False
