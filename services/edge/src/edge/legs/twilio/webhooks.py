"""Twilio's webhooks: a call comes in, a stream ended, a stream's status."""

import re
import time
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from common import logs, metrics
from common.errors import RemoteProtocolError, SecurityError, UpstreamUnavailable
from common.messages.commands import EndReason
from common.profile import Sentences
from edge.core.admission import Refusal
from edge.legs.twilio import twiml
from edge.legs.twilio.signature import SignatureCheck
from edge.legs.twilio.token import StreamToken, TokenMint
from edge.profiles import Profiles
from edge.reception import Reception
from edge.registry import CallEntry, Registry
from edge.settings import EdgeSettings

log = logs.get("twilio")

MAX_BODY_BYTES: Final = 64 * 1024
_CALL_SID: Final = re.compile(r"CA[0-9a-f]{32}")
_STREAM_EVENTS: Final = frozenset({"stream-started", "stream-stopped", "stream-error"})
_RESUMABLE: Final = (None, EndReason.LEG_LOST, EndReason.SHUTDOWN)

Form = dict[str, list[str]]


class TwilioWebhooks:
    """Answers in TwiML. Whatever goes wrong on our side, the caller hears a sentence, never silence."""

    def __init__(
        self,
        settings: EdgeSettings,
        signatures: SignatureCheck,
        tokens: TokenMint,
        profiles: Profiles,
        registry: Registry,
        reception: Reception,
    ) -> None:
        self._settings = settings
        self._signatures = signatures
        self._tokens = tokens
        self._profiles = profiles
        self._registry = registry
        self._reception = reception

    def routes(self) -> APIRouter:
        """The three webhooks."""
        router = APIRouter(prefix="/twilio")
        router.add_api_route("/voice", self.voice, methods=["POST"])
        router.add_api_route("/resume", self.resume, methods=["POST"])
        router.add_api_route("/stream-status", self.stream_status, methods=["POST"])
        return router

    async def voice(self, request: Request) -> Response:
        """A call for one of our numbers: connect it, or say why not."""
        form = await self._signed_form(request)
        metrics.CALLS_OFFERED.labels("inbound", "twilio").inc()
        return self._connect(form)

    async def resume(self, request: Request) -> Response:
        """A stream ended. If the call is not over for us, connect it again."""
        form = await self._signed_form(request)
        call_sid = _one(form, "CallSid")
        profile = self._profiles.answering(_one(form, "To"))
        sentences = profile.sentences if profile else Sentences()
        entry = await self._entry(call_sid)
        if entry is not None and entry.end_reason is EndReason.NO_TALKER:
            return _xml(twiml.say_and_hang_up(sentences.interrupted, sentences))
        if _one(form, "CallStatus") in ("completed", "failed", "canceled"):
            return _xml(twiml.hang_up())
        if entry is not None and entry.end_reason not in _RESUMABLE:
            return _xml(twiml.hang_up())
        return self._connect(form)

    async def stream_status(self, request: Request) -> Response:
        """The only place where a failed handshake becomes visible to us."""
        form = await self._signed_form(request)
        event = _one(form, "StreamEvent")
        if event == "stream-error":
            log.warning("Twilio reports a stream error", extra=logs.fields(call=_one(form, "CallSid")))
            metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", "stream_error").inc()
        elif event not in _STREAM_EVENTS:
            metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", "unknown_stream_event").inc()
        return Response(status_code=204)

    # --------------------------------------------------------------------------------------------------------------

    def _connect(self, form: Form) -> Response:
        profile = self._profiles.answering(_one(form, "To"))
        sentences = profile.sentences if profile else Sentences()
        reason: Refusal | None = "no_agent" if profile is None else self._reception.refusal()
        if profile is None or reason is not None:
            metrics.CALLS_REJECTED.labels("inbound", "twilio", reason).inc()
            log.warning("call turned away", extra=logs.fields(call=_one(form, "CallSid"), reason=reason))
            return _xml(twiml.say_and_hang_up(sentences.unavailable, sentences))
        token = StreamToken(
            call_sid=_one(form, "CallSid"),
            profile=profile.name,
            caller=_one(form, "From")[:64],
            dialled=_one(form, "To")[:64],
        )
        return _xml(twiml.attach(self._settings, self._tokens.issue(token, time.time())))

    async def _signed_form(self, request: Request) -> Form:
        """The form, once Twilio's signature over it is checked. Raises what `edge.app` turns into 400 or 403."""
        body = await _body(request)
        try:
            form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError as error:
            raise RemoteProtocolError("webhook body is no form") from error
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{self._settings.public_base_url}{request.url.path}{query}"
        self._signatures.check(url, form, request.headers)
        if _one(form, "AccountSid") != self._settings.twilio_account_sid:
            raise SecurityError("unknown_account", "the call belongs to another account")
        if not _CALL_SID.fullmatch(_one(form, "CallSid")):
            raise RemoteProtocolError("CallSid is missing or malformed")
        return form

    async def _entry(self, call_sid: str) -> CallEntry | None:
        try:
            return await self._registry.look_up(call_sid)
        except UpstreamUnavailable:
            return None


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise RemoteProtocolError("webhook body too large")
    except ClientDisconnect as error:
        raise RemoteProtocolError("the peer went before its body was whole") from error
    return bytes(body)


def _one(form: Form, name: str) -> str:
    return form.get(name, [""])[0]


def _xml(document: str) -> Response:
    return Response(document, media_type="text/xml")
