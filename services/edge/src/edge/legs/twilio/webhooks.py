"""Twilio's webhooks about the caller's own leg: a call comes in, a stream ended, a stream's status."""

import time
from typing import Final, assert_never

from fastapi import APIRouter, Request, Response

from common import logs, metrics
from common.errors import UpstreamUnavailable
from common.messages.commands import EndReason, TransferNews
from common.messages.facts import CallbackWanted
from common.profile import AgentProfile, Apology, CallBack, Sentences, TransferToHuman
from common.profile_watch import ProfileWatch
from edge.call import Surroundings
from edge.core.admission import Delay, Refusal
from edge.legs.twilio import twiml
from edge.legs.twilio.forms import Form, TwilioForms, is_over, one, xml
from edge.legs.twilio.token import StreamToken, TokenMint
from edge.reception import Reception
from edge.registry import CallEntry
from edge.settings import EdgeSettings
from edge.telling import Unreached
from edge.transfers import Transfers

log = logs.get("twilio")

_STREAM_EVENTS: Final = frozenset({"stream-started", "stream-stopped", "stream-error"})
_RESUMABLE: Final = (None, EndReason.LEG_LOST, EndReason.SHUTDOWN, EndReason.MOVED)
HOLDS_AT_MOST: Final = 30
"""Of `twiml.HOLD_S` each, so a caller waits for about a minute."""
_SAID_EVERY: Final = 5


class TwilioWebhooks:
    """Answers in TwiML. Whatever goes wrong on our side, the caller hears a sentence, never silence."""

    def __init__(
        self,
        settings: EdgeSettings,
        forms: TwilioForms,
        tokens: TokenMint,
        profiles: ProfileWatch,
        around: Surroundings,
        reception: Reception,
        transfers: Transfers,
    ) -> None:
        self._settings = settings
        self._forms = forms
        self._tokens = tokens
        self._profiles = profiles
        self._registry = around.registry
        self._facts = around.facts
        self._reception = reception
        self._transfers = transfers

    def routes(self) -> APIRouter:
        """The three webhooks."""
        router = APIRouter(prefix="/twilio")
        router.add_api_route("/voice", self.voice, methods=["POST"])
        router.add_api_route("/resume", self.resume, methods=["POST"])
        router.add_api_route("/stream-status", self.stream_status, methods=["POST"])
        return router

    async def voice(self, request: Request) -> Response:
        """A call for one of our numbers: connect it, or say why not."""
        form = await self._forms.read(request)
        if not _waits(request):
            metrics.CALLS_OFFERED.labels("inbound", "twilio").inc()
            if self._reception.sends_elsewhere:
                return _elsewhere(twiml.ask_again(f"{self._settings.url('/twilio/voice')}?waits=1"))
        profile = self._profiles.current.answering(one(form, "To"))
        reason: Refusal | None = "no_agent" if profile is None else self._reception.refusal()
        if profile is None or reason is not None:
            return self._turned_away(form, profile, reason)
        return self._attached(form, profile, is_resumed=False)

    async def resume(self, request: Request) -> Response:
        """A stream ended. If the call is not over for us, connect it again, or have it wait until that can be done."""
        form = await self._forms.read(request)
        call_sid = one(form, "CallSid")
        entry = await self.entry(call_sid)
        if is_over(form):
            await self._transfers.tell(TransferNews(call_id=call_sid, news="hung_up"), entry)
            return xml(twiml.hang_up())
        profile = self.profile_of(entry, form)
        if entry is not None and entry.end_reason is EndReason.NO_TALKER:
            return self._last_resort(form, profile)
        if entry is not None and entry.transfer_to and not _waits(request):  # who waits is back from there
            return await self._dialled(form, profile, entry)
        if entry is not None and entry.end_reason not in _RESUMABLE:
            return xml(twiml.hang_up())
        return self.attached_again(form, profile, _waits(request))

    def attached_again(self, form: Form, profile: AgentProfile | None, waits: int = 0) -> Response:
        """The answer for a caller whose call goes on: another stream, or a wait until this edge can have it."""
        if profile is None:
            return self._turned_away(form, None, "no_agent")
        delay = self._reception.delay(one(form, "CallSid"))
        if delay is not None:
            return self._delayed(form, profile, delay, waits)
        return self._attached(form, profile, is_resumed=True)

    async def stream_status(self, request: Request) -> Response:
        """The only place where a failed handshake becomes visible to us."""
        form = await self._forms.read(request)
        event = one(form, "StreamEvent")
        if event == "stream-error":
            log.warning("Twilio reports a stream error", extra=logs.fields(call=one(form, "CallSid")))
            metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", "stream_error").inc()
        elif event not in _STREAM_EVENTS:
            metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", "unknown_stream_event").inc()
        return Response(status_code=204)

    # --- the answers ------------------------------------------------------------------------------------------------

    def _attached(self, form: Form, profile: AgentProfile, *, is_resumed: bool) -> Response:
        token = StreamToken(
            call_sid=one(form, "CallSid"),
            profile=profile.name,
            caller=one(form, "From")[:64],
            dialled=one(form, "To")[:64],
            is_resumed=is_resumed,
        )
        return xml(twiml.attach(self._settings, self._tokens.issue(token, time.time())))

    def _turned_away(self, form: Form, profile: AgentProfile | None, reason: Refusal | None) -> Response:
        sentences = profile.sentences if profile else Sentences()
        metrics.CALLS_REJECTED.labels("inbound", "twilio", reason).inc()
        log.warning("call turned away", extra=logs.fields(call=one(form, "CallSid"), reason=reason))
        return xml(twiml.say_and_hang_up(sentences.unavailable, sentences))

    def _delayed(self, form: Form, profile: AgentProfile, why: Delay, waits: int) -> Response:
        """The caller waits; for a minute at most. The count of waits travels in the address, which Twilio signs."""
        if waits >= HOLDS_AT_MOST:
            return self._last_resort(form, profile)
        log.warning("a running call has to wait", extra=logs.fields(call=one(form, "CallSid"), why=why, waits=waits))
        url = f"{self._settings.url('/twilio/resume')}?waits={waits + 1}"
        if why == "elsewhere" and not waits:
            return _elsewhere(twiml.ask_again(url))
        sentence = profile.sentences.one_moment if waits % _SAID_EVERY == 0 else ""
        return xml(twiml.hold(url, sentence, profile.sentences))

    def _last_resort(self, form: Form, profile: AgentProfile | None) -> Response:
        """No talker can be had: what the agent's profile says for this case."""
        resort = profile.last_resort if profile else Apology()
        sentences = profile.sentences if profile else Sentences()
        metrics.LAST_RESORTS.labels(resort.type).inc()
        log.warning("no talker; last resort", extra=logs.fields(call=one(form, "CallSid"), kind=resort.type))
        match resort:
            case Apology():
                return xml(twiml.say_and_hang_up(sentences.interrupted, sentences))
            case TransferToHuman():
                metrics.TRANSFERS.labels("dialled").inc()
                return xml(twiml.transfer(self._settings, resort, sentences))
            case CallBack():
                self._promise_callback(form, profile)
                return xml(twiml.say_and_hang_up(sentences.call_back, sentences))
            case _:
                assert_never(resort)

    async def _dialled(self, form: Form, profile: AgentProfile | None, entry: CallEntry) -> Response:
        """The agent has given the caller to a human: dial it, if this edge knows it under the same name."""
        target = profile.transfers.get(entry.transfer_to) if profile else None
        metrics.TRANSFERS.labels("dialled" if target else "unknown").inc()
        if target is not None:
            return xml(twiml.dial(self._settings, target, has_summary=bool(entry.summary.strip())))
        log.warning("a transfer to nobody in the profile", extra=logs.fields(call=one(form, "CallSid")))
        return await self.failed(form, entry, "failed")

    async def failed(self, form: Form, entry: CallEntry | None, why: Unreached) -> Response:
        """The human was not reached: the caller goes back to the agent, or is told if there is none any more."""
        await self._transfers.tell(TransferNews(call_id=one(form, "CallSid"), news=why), entry)
        if entry is not None and entry.end_reason not in _RESUMABLE:
            return self.told_of_end(form, entry)
        metrics.TRANSFERS.labels("returned").inc()
        return self.attached_again(form, self.profile_of(entry, form))

    def told_of_end(self, form: Form, entry: CallEntry | None) -> Response:
        """Nobody can be had for the caller, neither agent nor human."""
        profile = self.profile_of(entry, form)
        sentences = profile.sentences if profile else Sentences()
        return xml(twiml.say_and_hang_up(sentences.interrupted, sentences))

    def _promise_callback(self, form: Form, profile: AgentProfile | None) -> None:
        call_sid = one(form, "CallSid")
        self._facts.write(
            CallbackWanted(
                call_id=call_sid,
                fact_id=f"callback-{call_sid}",  # Twilio may ask twice; it is one promise
                profile=profile.name if profile else "",
                caller_number=one(form, "From")[:64],
            )
        )

    # ----------------------------------------------------------------------------------------------------------------

    def profile_of(self, entry: CallEntry | None, form: Form) -> AgentProfile | None:
        """The agent that has the call, if it still exists; else the one that answers the number."""
        known = self._profiles.current.by_name.get(entry.profile) if entry is not None else None
        return known or self._profiles.current.answering(one(form, "To"))

    async def entry(self, call_sid: str) -> CallEntry | None:
        """What the registry holds of the call; None if that is nothing, or cannot be had now."""
        try:
            return await self._registry.look_up(call_sid)
        except UpstreamUnavailable:
            return None


def _elsewhere(document: str) -> Response:
    """An answer after which the peer has to connect anew, so that it meets another edge."""
    return Response(document, media_type="text/xml", headers={"connection": "close"})


def _waits(request: Request) -> int:
    """How often this caller was asked to wait; the address is ours, and signed."""
    text = request.query_params.get("waits", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
