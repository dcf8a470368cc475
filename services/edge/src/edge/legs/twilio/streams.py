"""Lets media streams in: the upgrade's signature, then the token, then the call it joins; or turns them away."""

import asyncio
import time

from common import logs, metrics
from common.errors import SecurityError
from common.ids import is_subject_token
from common.profile_watch import ProfileWatch
from edge.call import Caller, Surroundings
from edge.calls import Calls
from edge.legs.twilio.media import TwilioStream
from edge.legs.twilio.signature import SignatureCheck
from edge.legs.twilio.token import StreamToken, TokenMint
from edge.legs.twilio.wire import StartBody
from edge.reattachment import Joining, Reattachment
from edge.settings import EdgeSettings

log = logs.get("twilio")


class TwilioStreams:
    """The door for media sockets of one edge."""

    def __init__(
        self,
        settings: EdgeSettings,
        signatures: SignatureCheck,
        tokens: TokenMint,
        profiles: ProfileWatch,
        around: Surroundings,
        calls: Calls,
        reattachment: Reattachment,
    ) -> None:
        self._settings = settings
        self._bus = around.bus
        self._signatures = signatures
        self._tokens = tokens
        self._profiles = profiles
        self._registry = around.registry
        self._calls = calls
        self._reattachment = reattachment
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
        profile = self._profiles.current.by_name.get(token.profile)
        if profile is None:
            metrics.CALLS_REJECTED.labels("inbound", "twilio", "no_agent").inc()
            stream.refuse("no_agent")
            return
        if self._calls.carries(token.call_sid):
            self._refuse_second(stream)
            return
        if not self._bus.is_connected and self._calls.get(token.call_sid) is None:
            metrics.CALLS_REJECTED.labels("inbound", "twilio", "bus_down").inc()
            stream.close()  # Twilio comes back to /twilio/resume, which lets the caller wait
            return
        caller = Caller(token.call_sid, token.caller, token.dialled, profile)
        with self._calls.joining(token.call_sid):
            joining = await self._reattachment.join(token.call_sid, profile.name, is_resumed=token.is_resumed)
            if joining is None:
                self._refuse_second(stream)
            elif stream.is_alive:
                self._let_in(stream, caller, joining)

    def _let_in(self, stream: TwilioStream, caller: Caller, joining: Joining) -> None:
        session = self._calls.start(caller, stream, joining.before)
        stream.accept(session)
        log.info("stream joined", extra=logs.fields(call=caller.call_id, is_new=joining.before is None))
        if joining.before is not None:
            self._reattachment.complete(session)

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
