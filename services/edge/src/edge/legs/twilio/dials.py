"""Twilio's webhooks about a human it dials for a caller: who picked up, what they are told, how it ended."""

from typing import Final

from fastapi import APIRouter, Request, Response

from common import logs, metrics
from common.messages.commands import TransferNews
from common.profile import Sentences
from edge.legs.twilio import twiml
from edge.legs.twilio.forms import Form, TwilioForms, call_sid, is_over, one, xml
from edge.legs.twilio.webhooks import TwilioWebhooks
from edge.telling import Unreached
from edge.transfers import Transfers

log = logs.get("twilio")

_PICKED_UP: Final = frozenset({"in-progress", "answered"})
"""Twilio calls the event `answered` and reports the status `in-progress` (twilio-java#321)."""
_TALKED: Final = frozenset({"completed", "answered"})
_UNREACHED: Final[dict[str, Unreached]] = {"busy": "busy", "no-answer": "no_answer", "canceled": "canceled"}
"""Any other status is `failed`, such as `completed` of a human who put the phone down before the caller was there."""


class TwilioDials:
    """Twilio may ask any edge; `edge.transfers` knows whose call it is."""

    def __init__(self, forms: TwilioForms, webhooks: TwilioWebhooks, transfers: Transfers) -> None:
        self._forms = forms
        self._webhooks = webhooks
        self._transfers = transfers

    def routes(self) -> APIRouter:
        """The three webhooks."""
        router = APIRouter(prefix="/twilio")
        router.add_api_route("/whisper", self.whisper, methods=["POST"])
        router.add_api_route("/transfer-status", self.transfer_status, methods=["POST"])
        router.add_api_route("/transferred", self.transferred, methods=["POST"])
        return router

    async def whisper(self, request: Request) -> Response:
        """The human has picked up and waits: say what the call is about. If nobody knows, the caller is there at once.

        Asked on the human's own leg, whose parent is the caller's.
        """
        form = await self._forms.read(request)
        entry = await self._webhooks.entry(call_sid(form, "ParentCallSid"))
        if entry is None:
            return xml(twiml.whisper("", Sentences()))
        profile = self._webhooks.profile_of(entry, form)
        return xml(twiml.whisper(entry.summary, profile.sentences if profile else Sentences()))

    async def transfer_status(self, request: Request) -> Response:
        """The human has picked up. Also told on the human's own leg."""
        form = await self._forms.read(request)
        parent_sid = call_sid(form, "ParentCallSid")
        if one(form, "CallStatus") in _PICKED_UP:
            await self._transfers.tell(
                TransferNews(call_id=parent_sid, news="answered"), await self._webhooks.entry(parent_sid)
            )
        return Response(status_code=204)

    async def transferred(self, request: Request) -> Response:
        """The human is gone, or was never there. If nobody talked the caller goes back to the agent."""
        form = await self._forms.read(request)
        has_talked = _has_talked(form)
        metrics.TRANSFERS.labels("answered" if has_talked else "unanswered").inc()
        entry = await self._webhooks.entry(one(form, "CallSid"))
        if has_talked or is_over(form):
            news = TransferNews(call_id=one(form, "CallSid"), news="talked" if has_talked else "hung_up")
            await self._transfers.tell(news, entry)
            return xml(twiml.hang_up())
        log.warning("the transfer failed", extra=logs.fields(call=one(form, "CallSid")))
        if request.query_params.get("agent") == "none":
            return self._webhooks.told_of_end(form, entry)
        return await self._webhooks.failed(form, entry, _UNREACHED.get(one(form, "DialCallStatus"), "failed"))


def _has_talked(form: Form) -> bool:
    """True if caller and human were connected. (An answer alone is not that: it may end while the human listens.)"""
    return one(form, "DialCallStatus") in _TALKED and one(form, "DialBridged").lower() != "false"
