"""The leg of somebody who is dialled for a caller: it rings, hears the whisper, is bridged, ends."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, Literal, Protocol

from simulators.people.pcmu import BYTES_PER_MS
from simulators.twilio import sids, speech, twiml
from simulators.twilio.dial import Party
from simulators.twilio.human import Human
from simulators.twilio.notices import Notice, TwilioError
from simulators.twilio.plan import CallPlan
from simulators.twilio.signature import Parameters
from simulators.twilio.twiml_fields import Target
from simulators.twilio.webhook import Webhooks

DialStatus = Literal["completed", "busy", "no-answer", "failed", "canceled"]
_DIGIT_S: Final = 0.5
_UNREACHED: Final[dict[str, DialStatus]] = {"is_busy": "busy", "cannot_be_reached": "failed"}
_HOPS_AT_MOST: Final = 10


class CallerLeg(Protocol):
    """What the dialled leg needs of the caller's."""

    @property
    def sid(self) -> str:
        """Its CallSid."""

    def tell_beside(self, target: Target, parameters: Parameters) -> None:
        """Post something whose answer does not matter, without waiting for it."""

    def notice(self, notice: Notice) -> None:
        """An entry for the debugger."""

    def human_heard(self, text: str) -> None:
        """The human is told something that the caller does not hear."""


@dataclass(slots=True)
class HumanLeg:
    """One dialled call. `ring` until somebody picks up, then `bridge`, then `talk`; `cut_off` ends it from outside."""

    plan: CallPlan
    webhooks: Webhooks
    caller: CallerLeg
    party: Party
    human: Human
    status: DialStatus = "canceled"
    is_bridged: bool = False
    heard: tuple[str, ...] = ()
    _sid: str = ""
    _events: int = 0
    _answered_s: float | None = None

    async def ring(self, timeout_s: float) -> bool:
        """True if it is picked up in time."""
        self._sid = sids.call_sid()
        self._tell("initiated", "initiated")
        self._tell("ringing", "ringing")
        rings_s = self.human.after_ms / 1000
        if self.human.does == "does_not_answer" or rings_s > timeout_s:
            await asyncio.sleep(timeout_s)
            return self._unreached("no-answer")
        await asyncio.sleep(rings_s)
        if self.human.does != "answers":
            return self._unreached(_UNREACHED[self.human.does])
        self.status, self._answered_s = "completed", time.monotonic()
        self._tell("answered", "in-progress")
        return True

    async def bridge(self) -> bool:
        """What the human is told first. True if the caller is there after it; meanwhile the caller hears it ring."""
        if self.party.whisper is None:
            self.is_bridged = True
            return True
        patience_ms = self.human.hangs_up_after_ms
        try:
            async with asyncio.timeout(None if patience_ms is None else patience_ms / 1000):
                self.is_bridged = await self._whisper(self.party.whisper)
        except TimeoutError:
            self.is_bridged = False
        return self.is_bridged

    async def talk(self) -> None:
        """Human and caller talk, until the human hangs up."""
        await asyncio.sleep(self.human.talks_ms / 1000)

    def end(self) -> Parameters:
        """It is over. Returns what `<Dial>` tells its `action`."""
        self._tell("completed", self.status, (("CallDuration", self._duration),))
        told: Parameters = (("DialCallStatus", self.status), ("DialCallSid", self._sid))
        if self._answered_s is None:
            return told
        return (*told, ("DialCallDuration", self._duration), ("DialBridged", str(self.is_bridged).lower()))

    @property
    def _duration(self) -> str:
        return "0" if self._answered_s is None else str(round(time.monotonic() - self._answered_s))

    def _unreached(self, status: DialStatus) -> bool:
        self.status = status
        return False

    async def _whisper(self, target: Target) -> bool:
        """Run documents to the end. False if one of them hangs up or cannot be run."""
        try:
            for _ in range(_HOPS_AT_MOST):
                following = await self._run(await self._document(target))
                if not isinstance(following, Target):
                    return following
                target = following
            raise TwilioError(11200, f"{target.url}: redirected more than {_HOPS_AT_MOST} times")
        except TwilioError as error:
            self.caller.notice(error.notice)
            await self._say(speech.APOLOGY)
            return False

    async def _document(self, target: Target) -> twiml.Document:
        answer = await self.webhooks.request(target, self._parameters("in-progress"))
        if not answer.is_success:
            raise TwilioError(11200, f"{answer.url}: HTTP status {answer.status}")
        return twiml.parse_whisper(answer.body, answer.content_type, answer.url)

    async def _run(self, document: twiml.Document) -> Target | bool:
        for verb in document.verbs:
            match verb:
                case twiml.Say(text=text, loop=loop):
                    for _ in range(loop or 1_000):
                        await self._say(text)
                case twiml.Pause(length_s=length_s):
                    await asyncio.sleep(length_s)
                case twiml.Play(digits=digits) if digits:
                    await asyncio.sleep(_DIGIT_S * len(digits))
                case twiml.Redirect(target=target):
                    return target
                case twiml.Hangup():
                    return False
                case _:
                    raise TwilioError(12200, f"'{type(verb).__name__}' is not simulated on a dialled leg")
        return True

    async def _say(self, text: str) -> None:
        self.heard += (text,)
        self.caller.human_heard(text)
        await asyncio.sleep(len(speech.spoken(text, self.plan.say_ms_per_character)) / (BYTES_PER_MS * 1000))

    def _tell(self, event: str, status: str, extra: Parameters = ()) -> None:
        """Post a status callback, if this event was asked for."""
        if self.party.status_callback is None or event not in self.party.events:
            return
        said: Parameters = (
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", str(self._events)),
            ("Timestamp", format_datetime(datetime.now(UTC))),
        )
        self._events += 1
        self.caller.tell_beside(self.party.status_callback, self._parameters(status) + said + extra)

    def _parameters(self, status: str) -> Parameters:
        """What Twilio posts with every request about this leg; the caller's number is shown unless told otherwise."""
        return (
            ("AccountSid", self.plan.account_sid),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", self._sid),
            ("CallStatus", status),
            ("Called", self.party.address),
            ("Caller", self.plan.caller),
            ("Direction", "outbound-dial"),
            ("From", self.plan.caller),
            ("ParentCallSid", self.caller.sid),
            ("To", self.party.address),
        )
