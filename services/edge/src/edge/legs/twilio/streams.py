"""Lets media streams in: the upgrade's signature, then the token, then the call it joins; or turns them away."""

import asyncio
import time
from typing import Final

from common import logs, metrics
from common.errors import SecurityError
from common.ids import is_subject_token
from edge.calls import Calls
from edge.legs.twilio.media import TwilioStream
from edge.legs.twilio.signature import SignatureCheck
from edge.legs.twilio.token import StreamToken, TokenMint
from edge.legs.twilio.wire import StartBody
from edge.profiles import Profiles
from edge.registry import Registry
from edge.session import Caller
from edge.settings import EdgeSettings

log = logs.get("twilio")

LEG_IS_DEAD_AFTER_S: Final = 1.0
"""Twilio sends 50 frames a second; a leg this silent has lost its stream, whatever the socket says."""


class TwilioStreams:
    """The door for media sockets of one edge."""

    def __init__(
        self,
        settings: EdgeSettings,
        signatures: SignatureCheck,
        tokens: TokenMint,
        profiles: Profiles,
        registry: Registry,
        calls: Calls,
    ) -> None:
        self._settings = settings
        self._signatures = signatures
        self._tokens = tokens
        self._profiles = profiles
        self._registry = registry
        self._calls = calls
        self._legs: dict[str, TwilioStream] = {}
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
            stream.refuse("no_agent")
            return
        if self._is_carried(token.call_sid):
            metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", "duplicate_stream").inc()
            stream.refuse("duplicate_stream")
            return
        self._join(stream, Caller(token.call_sid, token.caller, token.dialled, profile))

    async def _proven(self, start: StartBody) -> StreamToken:
        """The stream's token. Raises `SecurityError` unless it is ours, fresh, unspent and of this very call."""
        if start.account_sid != self._settings.twilio_account_sid:
            raise SecurityError("unknown_account", "the stream belongs to another account")
        token = self._tokens.read(start.custom_parameters.get("token", ""), time.time())
        if token.call_sid != start.call_sid or not is_subject_token(token.call_sid):
            raise SecurityError("bad_token", "the token belongs to another call")
        await self._registry.spend(token.nonce)
        return token

    def _is_carried(self, call_id: str) -> bool:
        """True if the call has a leg here that lives: a second stream would be a second ear for the same caller."""
        leg = self._legs.get(call_id)
        if leg is None or not leg.is_up:
            return False
        if time.monotonic() - leg.heard_from_at < LEG_IS_DEAD_AFTER_S:
            return True
        leg.close()
        return False

    def _join(self, stream: TwilioStream, caller: Caller) -> None:
        if not stream.is_up:
            return
        session = self._calls.start(caller, stream)
        self._legs[caller.call_id] = stream
        stream.on_end = lambda: self._forget(caller.call_id, stream)
        stream.accept(session)
        log.info("stream joined", extra=logs.fields(call=caller.call_id))

    def _forget(self, call_id: str, stream: TwilioStream) -> None:
        if self._legs.get(call_id) is stream:
            del self._legs[call_id]
