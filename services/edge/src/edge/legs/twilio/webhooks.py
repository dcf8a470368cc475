"""Twilio's webhooks: a call comes in, a stream ended, a transfer ended, a stream's status."""

import re
import time
from typing import Final, assert_never
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from common import logs, metrics
from common.errors import RemoteProtocolError, SecurityError, UpstreamUnavailable
from common.messages.commands import EndReason
from common.messages.facts import CallbackWanted
from common.profile import AgentProfile, Apology, CallBack, Sentences, TransferToHuman
from edge.call import Surroundings
from edge.calls import Calls
from edge.core.admission import Delay, Refusal
from edge.legs.twilio import twiml
from edge.legs.twilio.signature import SignatureCheck
from edge.legs.twilio.token import StreamToken, TokenMint
from edge.profiles import Profiles
from edge.reception import Reception
from edge.registry import CallEntry
from edge.settings import EdgeSettings

log = logs.get("twilio")

MAX_BODY_BYTES: Final = 64 * 1024
_CALL_SID: Final = re.compile(r"CA[0-9a-f]{32}")
_STREAM_EVENTS: Final = frozenset({"stream-started", "stream-stopped", "stream-error"})
_RESUMABLE: Final = (None, EndReason.LEG_LOST, EndReason.SHUTDOWN, EndReason.MOVED)
_OVER: Final = frozenset({"completed", "failed", "canceled", "busy", "no-answer"})
_TALKED: Final = frozenset({"completed", "answered"})
HOLDS_AT_MOST: Final = 30
"""Of `twiml.HOLD_S` each, so a caller waits for about a minute."""
_SAID_EVERY: Final = 5

Form = dict[str, list[str]]


class TwilioWebhooks:
    """Answers in TwiML. Whatever goes wrong on our side, the caller hears a sentence, never silence."""

    def __init__(
        self,
        settings: EdgeSettings,
        signatures: SignatureCheck,
        tokens: TokenMint,
        profiles: Profiles,
        around: Surroundings,
        calls: Calls,
        reception: Reception,
    ) -> None:
        self._settings = settings
        self._signatures = signatures
        self._tokens = tokens
        self._profiles = profiles
        self._registry = around.registry
        self._facts = around.facts
        self._calls = calls
        self._reception = reception

    def routes(self) -> APIRouter:
        """The four webhooks."""
        router = APIRouter(prefix="/twilio")
        router.add_api_route("/voice", self.voice, methods=["POST"])
        router.add_api_route("/resume", self.resume, methods=["POST"])
        router.add_api_route("/transferred", self.transferred, methods=["POST"])
        router.add_api_route("/stream-status", self.stream_status, methods=["POST"])
        return router

    async def voice(self, request: Request) -> Response:
        """A call for one of our numbers: connect it, or say why not."""
        form = await self._signed_form(request)
        if not _waits(request):
            metrics.CALLS_OFFERED.labels("inbound", "twilio").inc()
            if self._reception.sends_elsewhere:
                return _elsewhere(twiml.ask_again(f"{self._settings.url('/twilio/voice')}?waits=1"))
        profile = self._profiles.answering(_one(form, "To"))
        reason: Refusal | None = "no_agent" if profile is None else self._reception.refusal()
        if profile is None or reason is not None:
            return self._turned_away(form, profile, reason)
        return self._attached(form, profile, is_resumed=False)

    async def resume(self, request: Request) -> Response:
        """A stream ended. If the call is not over for us, connect it again, or have it wait until that can be done."""
        form = await self._signed_form(request)
        call_sid = _one(form, "CallSid")
        if _one(form, "CallStatus") in _OVER:
            self._hung_up(call_sid)
            return _xml(twiml.hang_up())
        entry = await self._entry(call_sid)
        profile = self._profile_of(entry, form)
        if entry is not None and entry.end_reason is EndReason.NO_TALKER:
            return self._last_resort(form, profile)
        if entry is not None and entry.end_reason is EndReason.TRANSFERRED:
            return self._dialled(form, profile, entry.transfer_to)
        if entry is not None and entry.end_reason not in _RESUMABLE:
            return _xml(twiml.hang_up())
        if profile is None:
            return self._turned_away(form, None, "no_agent")
        delay = self._reception.delay(call_sid)
        if delay is not None:
            return self._delayed(form, profile, delay, _waits(request))
        return self._attached(form, profile, is_resumed=True)

    async def transferred(self, request: Request) -> Response:
        """A human was dialled. If nobody talked, the caller is at least told."""
        form = await self._signed_form(request)
        profile = self._profiles.answering(_one(form, "To"))
        sentences = profile.sentences if profile else Sentences()
        if _one(form, "DialCallStatus") in _TALKED:
            metrics.TRANSFERS.labels("answered").inc()
            return _xml(twiml.hang_up())
        metrics.TRANSFERS.labels("unanswered").inc()
        if _one(form, "CallStatus") in _OVER:
            return _xml(twiml.hang_up())
        log.warning("the transfer failed", extra=logs.fields(call=_one(form, "CallSid")))
        return _xml(twiml.say_and_hang_up(sentences.interrupted, sentences))

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

    # --- the answers ------------------------------------------------------------------------------------------------

    def _attached(self, form: Form, profile: AgentProfile, *, is_resumed: bool) -> Response:
        token = StreamToken(
            call_sid=_one(form, "CallSid"),
            profile=profile.name,
            caller=_one(form, "From")[:64],
            dialled=_one(form, "To")[:64],
            is_resumed=is_resumed,
        )
        return _xml(twiml.attach(self._settings, self._tokens.issue(token, time.time())))

    def _turned_away(self, form: Form, profile: AgentProfile | None, reason: Refusal | None) -> Response:
        sentences = profile.sentences if profile else Sentences()
        metrics.CALLS_REJECTED.labels("inbound", "twilio", reason).inc()
        log.warning("call turned away", extra=logs.fields(call=_one(form, "CallSid"), reason=reason))
        return _xml(twiml.say_and_hang_up(sentences.unavailable, sentences))

    def _delayed(self, form: Form, profile: AgentProfile, why: Delay, waits: int) -> Response:
        """The caller waits; for a minute at most. The count of waits travels in the address, which Twilio signs."""
        if waits >= HOLDS_AT_MOST:
            return self._last_resort(form, profile)
        log.warning("a running call has to wait", extra=logs.fields(call=_one(form, "CallSid"), why=why, waits=waits))
        url = f"{self._settings.url('/twilio/resume')}?waits={waits + 1}"
        if why == "elsewhere" and not waits:
            return _elsewhere(twiml.ask_again(url))
        sentence = profile.sentences.one_moment if waits % _SAID_EVERY == 0 else ""
        return _xml(twiml.hold(url, sentence, profile.sentences))

    def _last_resort(self, form: Form, profile: AgentProfile | None) -> Response:
        """No talker can be had: what the agent's profile says for this case."""
        resort = profile.last_resort if profile else Apology()
        sentences = profile.sentences if profile else Sentences()
        metrics.LAST_RESORTS.labels(resort.type).inc()
        log.warning("no talker; last resort", extra=logs.fields(call=_one(form, "CallSid"), kind=resort.type))
        match resort:
            case Apology():
                return _xml(twiml.say_and_hang_up(sentences.interrupted, sentences))
            case TransferToHuman():
                metrics.TRANSFERS.labels("dialled").inc()
                return _xml(twiml.transfer(self._settings, resort, sentences))
            case CallBack():
                self._promise_callback(form, profile)
                return _xml(twiml.say_and_hang_up(sentences.call_back, sentences))
            case _:
                assert_never(resort)

    def _dialled(self, form: Form, profile: AgentProfile | None, name: str) -> Response:
        """The agent has given the caller to a human: dial it, if this edge knows it under the same name."""
        target = profile.transfers.get(name) if profile else None
        sentences = profile.sentences if profile else Sentences()
        metrics.TRANSFERS.labels("dialled" if target else "unknown").inc()
        if target is None:
            log.warning("a transfer to nobody in the profile", extra=logs.fields(call=_one(form, "CallSid")))
            return _xml(twiml.say_and_hang_up(sentences.interrupted, sentences))
        return _xml(twiml.dial(self._settings, target))

    def _promise_callback(self, form: Form, profile: AgentProfile | None) -> None:
        call_sid = _one(form, "CallSid")
        self._facts.write(
            CallbackWanted(
                call_id=call_sid,
                fact_id=f"callback-{call_sid}",  # Twilio may ask twice; it is one promise
                profile=profile.name if profile else "",
                caller_number=_one(form, "From")[:64],
            )
        )

    # ----------------------------------------------------------------------------------------------------------------

    def _hung_up(self, call_sid: str) -> None:
        """The caller is gone. A call that waits here for its stream to come back need not wait."""
        session = self._calls.get(call_sid)
        if session is not None and session.is_legless:
            session.end(EndReason.CALLER_HANGUP)

    def _profile_of(self, entry: CallEntry | None, form: Form) -> AgentProfile | None:
        """The agent that has the call, if it still exists; else the one that answers the number."""
        known = self._profiles.by_name.get(entry.profile) if entry is not None else None
        return known or self._profiles.answering(_one(form, "To"))

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


def _elsewhere(document: str) -> Response:
    """An answer after which the peer has to connect anew, so that it meets another edge."""
    return Response(document, media_type="text/xml", headers={"connection": "close"})


def _waits(request: Request) -> int:
    """How often this caller was asked to wait; the address is ours, and signed."""
    text = request.query_params.get("waits", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
