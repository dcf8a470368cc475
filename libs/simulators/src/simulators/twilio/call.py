"""One phone call: the person, the line, the media leg and the document that runs it, joined together."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, assert_never

import aiohttp

from simulators.people.pcmu import BYTES_PER_MS
from simulators.people.watermark import Marker
from simulators.twilio import sids, steps, twiml
from simulators.twilio.clock import FrameClock
from simulators.twilio.diary import Diary, OnEvent
from simulators.twilio.human_leg import HumanLeg
from simulators.twilio.interpreter import End, Fetch, Inline, Interpreter
from simulators.twilio.line import Line
from simulators.twilio.media_leg import MediaLeg
from simulators.twilio.notices import Notice, TwilioError
from simulators.twilio.person import Action, GiveUp, PressKey, PutDown, Senses, Speak
from simulators.twilio.plan import CallPlan
from simulators.twilio.playback import CarrierBuffer
from simulators.twilio.result import CallResult
from simulators.twilio.side_socket import Intrusion, intrude
from simulators.twilio.signature import Parameters
from simulators.twilio.steps import EndedBy, SideSocket
from simulators.twilio.twiml import Document
from simulators.twilio.twiml_fields import Target
from simulators.twilio.webhook import Answer, Webhooks
from simulators.twilio.write_up import write_up

_UNKNOWN_PLACES = tuple(
    (f"{party}{place}", "") for party in ("Called", "Caller", "From", "To") for place in ("City", "State", "Zip")
)


class Call:
    """A call of the simulated cloud; `run` carries it from dialling to hang-up. It is its interpreter's `Phone`."""

    def __init__(
        self, plan: CallPlan, http: aiohttp.ClientSession, clock: FrameClock, on_event: OnEvent | None = None
    ) -> None:
        now = time.monotonic()
        self.sid = sids.call_sid()
        self.plan = plan
        self.status = "queued"
        self.started_at = datetime.now(UTC)
        self._clock = clock
        self._diary = Diary(self.sid, now, on_event)
        self._senses = Senses(now)
        marker = None if plan.caller_mark is None else Marker(plan.caller_mark)
        self._line = Line(plan.script, self._senses, plan.keep_audio, marker)
        self._leg = MediaLeg(plan, self._diary, self._notify)
        self._webhooks = Webhooks(http, plan, plan.script.faults.webhook_signature)
        self._interpreter = Interpreter(plan, self._webhooks, self)
        self._spoken = CarrierBuffer()
        self._beside: asyncio.TaskGroup | None = None
        self._ended_s: float | None = None
        self._defect: Exception | None = None

    @property
    def voice_url(self) -> str:
        """The number's webhook as the outside world knows it."""
        return self.plan.tunnel.public(self.plan.voice_url)

    async def run(self) -> CallResult:
        """Place the call and live through it; raise only for a defect of the simulator itself."""
        self.status = "ringing"
        self._diary.tell("call_placed", time.monotonic(), url=self.voice_url)
        try:
            async with asyncio.TaskGroup() as self._beside:
                ended_by = await self._interpreter.run(Fetch(Target(self.voice_url)))
                ended_s = self._end(ended_by)
        finally:
            self._clock.unsubscribe(self._tick)
        if self._defect is not None:
            raise self._defect
        return write_up(self._diary, self._line, ended_by, ended_s)

    def hang_up(self, by: EndedBy = "rest") -> None:
        """End the call at this moment; the caller hears and says nothing more, streams are stopped."""
        if self._ended_s is None:
            self._over(by)
            self._interpreter.order(End(by))

    def replace_document(self, following: Fetch | Inline) -> None:
        """Go on with another document, as an update of the call by REST; a stream that runs is stopped."""
        self._interpreter.order(following)

    def _over(self, by: EndedBy) -> float:
        ended_s = self._ended_s = time.monotonic()
        self.status = "completed"
        self._clock.unsubscribe(self._tick)
        self._line.cut_short(ended_s)
        self._diary.tell("hang_up", ended_s, by=by)
        return ended_s

    def _end(self, ended_by: EndedBy) -> float:
        """The documents are done with: the call is over now, if it was not before."""
        ended_s = self._over(ended_by) if self._ended_s is None else self._ended_s
        if self.plan.status_callback_url is not None and not self._leg.has_vanished:
            duration = str(round(ended_s - self._diary.placed_s))
            self._notify(Target(self.plan.status_callback_url), (("CallDuration", duration),))
        return ended_s

    def _tick(self, due: float) -> None:
        try:
            self._frame(due)
        except Exception as error:  # the supervisor of a call: a defect ends this call, not the clock of all
            self._defect = error
            self.hang_up("gave_up")

    def _frame(self, due: float) -> None:
        self._diary.lateness.add(time.monotonic() - due)
        heard = self._leg.hear(due) if self._leg.is_attached else self._spoken.next_frame(due).frame
        self._senses.streams = len(self._diary.streams)
        tick = self._line.tick(heard, due)
        for name, at_s, fields in tick.happenings:
            self._diary.tell(name, at_s, **fields)
        self._leg.speak(tick.payload)
        for action in tick.actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Speak():
                pass  # the line does that itself
            case PressKey(digit=digit):
                self._leg.press(digit)
            case PutDown():
                self.hang_up("caller")
            case GiveUp():
                self.hang_up("gave_up")
            case steps.Misbehave():
                self._leg.misbehave(action)
            case steps.SideSocket():
                self._senses.side_sockets_open += 1
                self._run_beside(self._intrude(action))
            case steps.StallReading(ms=ms):
                self._leg.stall_reading(ms / 1000)
            case steps.DropSocket():
                self._leg.drop()
            case steps.Vanish():
                self._leg.vanish()
                self.hang_up("vanished")
            case _:
                assert_never(action)

    @property
    def is_over(self) -> bool:
        """Whether the caller is gone."""
        return self._ended_s is not None

    @property
    def is_answered(self) -> bool:
        """Whether a verb has answered the call."""
        return self._diary.answered_s is not None

    def answer(self) -> None:
        """The first verb that is not a rejection answers: from now on the caller hears and acts."""
        if self._diary.answered_s is None and self._ended_s is None:
            self._diary.answered_s = time.monotonic()
            self.status = "in-progress"
            self._clock.subscribe(self._tick)

    def parameters(self) -> Parameters:
        """What Twilio posts with every request of a call; places are empty, as for numbers it knows nothing about."""
        plan = self.plan
        return (
            ("AccountSid", plan.account_sid),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", self.sid),
            ("CallStatus", self.status),
            ("Called", plan.called),
            ("CalledCountry", "US"),
            ("Caller", plan.caller),
            ("CallerCountry", "US"),
            ("Direction", "inbound"),
            ("From", plan.caller),
            ("FromCountry", "US"),
            ("To", plan.called),
            ("ToCountry", "US"),
            *_UNKNOWN_PLACES,
        )

    def fetched(self, answer: Answer, document: Document, took_s: float) -> None:
        """A document was fetched."""
        verbs = tuple(type(verb).__name__ for verb in document.verbs)
        self._diary.fetched(answer.url, answer.status, verbs, took_s)

    def notice(self, notice: Notice) -> None:
        """An entry for the debugger."""
        self._diary.note(notice)

    def redirecting(self, url: str) -> None:
        """The document is being replaced."""
        self._diary.tell("redirect", time.monotonic(), url=url)

    def said(self, text: str) -> None:
        """A sentence is about to be spoken."""
        self._diary.spoke(text)

    def dialled(self, leg: HumanLeg, destinations: tuple[str, ...]) -> None:
        """Somebody was called, and is bridged or was not reached."""
        self._senses.dials += 1
        self._diary.dialled(destinations, leg.status, leg.heard, is_bridged=leg.is_bridged)

    def human_heard(self, text: str) -> None:
        """Somebody who was called is told something that the caller does not hear."""
        self._diary.tell("human_heard", time.monotonic(), text=text)

    def tell_beside(self, target: Target, parameters: Parameters) -> None:
        """Tell the application something whose answer does not matter, without waiting for it."""
        if not self._leg.has_vanished:
            self._run_beside(self._post(target, parameters))

    async def play(self, audio: bytes) -> None:
        """Let the caller hear this to its end."""
        self._spoken.receive(audio, time.monotonic())
        try:
            await asyncio.sleep(len(audio) / (BYTES_PER_MS * 1000))
            while self._spoken.buffered_bytes:
                await asyncio.sleep(0.02)
        finally:
            self._spoken.clear()

    async def stream(self, stream: twiml.Stream) -> None:
        """Run a media stream to its end."""
        await self._leg.run(stream)

    def _run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._beside is not None
        self._beside.create_task(work)

    def _notify(self, target: Target, extra: Parameters) -> None:
        """The same, of the caller's leg."""
        self.tell_beside(target, self.parameters() + extra)

    async def _post(self, target: Target, parameters: Parameters) -> None:
        try:
            answer = await self._webhooks.request(target, parameters)
        except TwilioError as error:
            self._diary.note(error.notice)
        else:
            if not answer.is_success:
                self._diary.note(Notice(11200, f"{target.url}: HTTP status {answer.status}"))

    async def _intrude(self, step: SideSocket) -> None:
        verb = self._leg.verb
        try:
            if verb is None:
                return
            at_s = time.monotonic()
            intrusion = Intrusion(step, verb.url, await self._intruder_parameters(step, verb))
            outcome = await intrude(self.plan, self.sid, intrusion)
            self._diary.side_sockets.append((at_s, outcome))
            told = {name: value for name, value in outcome.items() if name != "call_sid"}
            self._diary.tell("side_socket", time.monotonic(), **told)
        except TwilioError as error:
            self._diary.note(error.notice)
        finally:
            self._senses.side_sockets_open -= 1

    async def _intruder_parameters(self, step: SideSocket, verb: twiml.Stream) -> dict[str, str]:
        parameters = dict(verb.parameters)
        match step.token:
            case "same":
                return parameters
            case "missing":
                return {}
            case "forged":
                return dict.fromkeys(parameters, "forged")
            case "fresh":
                return await self._fresh_parameters()
        assert_never(step.token)

    async def _fresh_parameters(self) -> dict[str, str]:
        """What the voice webhook gives when it is asked a second time for this call, as Twilio has been seen to do."""
        answer = await self._webhooks.request(Target(self.voice_url), self.parameters())
        for verb in twiml.parse(answer.body, answer.content_type, answer.url).verbs:
            if isinstance(verb, twiml.Connect):
                return dict(verb.stream.parameters)
        return {}
