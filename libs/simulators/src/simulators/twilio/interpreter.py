"""Carry TwiML out: fetch a document, run its verbs in order, follow what comes next, obey orders that break in."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from simulators.people.wav import read_pcmu
from simulators.twilio import speech, twiml
from simulators.twilio.dial import Dial
from simulators.twilio.human_leg import HumanLeg
from simulators.twilio.notices import Notice, TwilioError
from simulators.twilio.plan import CallPlan
from simulators.twilio.signature import Parameters
from simulators.twilio.steps import EndedBy
from simulators.twilio.twiml import Document
from simulators.twilio.twiml_fields import Target
from simulators.twilio.webhook import Answer, Webhooks

_DIGIT_S = 0.5
_MAX_PLAY_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Fetch:
    """Go on with the document at this URL."""

    target: Target
    extra: Parameters = ()
    is_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Inline:
    """Go on with this document."""

    text: str
    base_url: str


@dataclass(frozen=True, slots=True)
class End:
    """The call is over."""

    by: EndedBy


Next = Fetch | Inline | End


class Phone(Protocol):
    """What the interpreter needs of the call it runs."""

    def parameters(self) -> Parameters:
        """What every webhook of this call is told."""

    def answer(self) -> None:
        """The call is answered, if it was not yet."""

    @property
    def is_answered(self) -> bool:
        """Whether it was."""

    def fetched(self, answer: Answer, document: Document, took_s: float) -> None:
        """A document was fetched."""

    def notice(self, notice: Notice) -> None:
        """An entry for the debugger."""

    def redirecting(self, url: str) -> None:
        """The document is being replaced."""

    async def stream(self, stream: twiml.Stream) -> None:
        """Run a media stream to its end."""

    async def play(self, audio: bytes) -> None:
        """Let the caller hear this."""

    def said(self, text: str) -> None:
        """A sentence is about to be spoken."""

    @property
    def sid(self) -> str:
        """The call's CallSid."""

    @property
    def is_over(self) -> bool:
        """Whether the caller is gone."""

    def tell_beside(self, target: Target, parameters: Parameters) -> None:
        """Post something whose answer does not matter, without waiting for it."""

    def dialled(self, leg: HumanLeg, destinations: tuple[str, ...]) -> None:
        """Somebody was called, and is bridged or was not reached."""

    def human_heard(self, text: str) -> None:
        """Somebody who was called is told something that the caller does not hear."""


class Interpreter:
    """Runs one call's documents."""

    def __init__(self, plan: CallPlan, webhooks: Webhooks, phone: Phone) -> None:
        self._plan = plan
        self._webhooks = webhooks
        self._phone = phone
        self._orders: asyncio.Queue[Next] = asyncio.Queue()
        self._dials = 0

    def order(self, following: Next) -> None:
        """Break off what is running and go on with this: a hang-up, or an update of the call by REST."""
        self._orders.put_nowait(following)

    async def run(self, first: Fetch) -> EndedBy:
        """Run documents until the call ends; return who ended it."""
        following: Next = first
        while not isinstance(following, End):
            following = await self._unless_ordered(self._follow(following))
        return following.by

    async def _unless_ordered(self, work: Coroutine[Any, Any, Next]) -> Next:
        """Do the work, unless an order comes: then cancel it (its clean-up runs) and return the order."""
        working = asyncio.create_task(work)
        ordered = asyncio.create_task(self._orders.get())
        try:
            await asyncio.wait((working, ordered), return_when=asyncio.FIRST_COMPLETED)
            return ordered.result() if ordered.done() else working.result()
        finally:
            for task in (working, ordered):
                task.cancel()
            await asyncio.gather(working, ordered, return_exceptions=True)

    async def _follow(self, work: Fetch | Inline) -> Next:
        try:
            document = await self._document(work)
            for verb in document.verbs:
                following = await self._execute(verb)
                if following is not None:
                    return following
        except TwilioError as error:
            return await self._fail(error.notice, work)
        return End("document_end")

    async def _document(self, work: Fetch | Inline) -> Document:
        if isinstance(work, Inline):
            return twiml.parse(work.text.encode(), "text/xml", work.base_url)
        began = time.monotonic()
        answer = await self._webhooks.request(work.target, self._phone.parameters() + work.extra)
        if not answer.is_success:
            raise TwilioError(11200, f"{answer.url}: HTTP status {answer.status}")
        document = twiml.parse(answer.body, answer.content_type, answer.url)
        self._phone.fetched(answer, document, time.monotonic() - began)
        return document

    async def _fail(self, notice: Notice, work: Fetch | Inline) -> Next:
        """Try the fallback URL once; without one, or if that fails too, the caller hears of it and the call ends."""
        self._phone.notice(notice)
        is_fallback = isinstance(work, Fetch) and work.is_fallback
        if self._plan.fallback_url is not None and not is_fallback:
            url = work.target.url if isinstance(work, Fetch) else work.base_url
            extra = (("ErrorCode", str(notice.code)), ("ErrorUrl", url))
            return Fetch(Target(self._plan.fallback_url), extra, is_fallback=True)
        self._phone.answer()
        await self._say(speech.APOLOGY, 1)
        return End("application_error")

    async def _execute(self, verb: twiml.Verb) -> Next | None:
        """Run one verb; return what comes after it if that is not the next verb."""
        if isinstance(verb, twiml.Reject) and not self._phone.is_answered:
            return End("rejected")
        self._phone.answer()
        match verb:
            case twiml.Connect(stream=stream, action=action):
                await self._phone.stream(stream)
                return self._replace(action)
            case twiml.Redirect(target=target):
                return self._replace(target)
            case twiml.Say(text=text, loop=loop):
                await self._say(text, loop)
            case twiml.Play():
                await self._play(verb)
            case twiml.Pause(length_s=length):
                await asyncio.sleep(length)
            case Dial():
                return await self._dial(verb)
            case twiml.Hangup() | twiml.Reject():
                return End("hangup_verb")
            case _:
                assert_never(verb)
        return None

    def _replace(self, target: Target | None, extra: Parameters = ()) -> Fetch | None:
        if target is None:
            return None
        self._phone.redirecting(target.url)
        return Fetch(target, extra)

    async def _say(self, text: str, loop: int) -> None:
        # Twilio repeats for ever at 0; a thousand times is longer than any call here.
        for _ in range(loop or 1_000):
            self._phone.said(text)
            await self._phone.play(speech.spoken(text, self._plan.say_ms_per_character))

    async def _play(self, verb: twiml.Play) -> None:
        if verb.url is None:
            await asyncio.sleep(_DIGIT_S * len(verb.digits))
            return
        answer = await self._webhooks.request(Target(verb.url, "GET"), (), _MAX_PLAY_BYTES)
        if not answer.is_success:
            raise TwilioError(11200, f"{answer.url}: HTTP status {answer.status}")
        try:
            audio = read_pcmu(answer.body)
        except ValueError as error:
            raise TwilioError(12300, f"{answer.url}: {error}") from error
        for _ in range(verb.loop or 1_000):
            await self._phone.play(audio)

    async def _dial(self, verb: Dial) -> Next | None:
        """Of several who are called at once the first one decides. A caller who is gone is told of all the same."""
        leg = HumanLeg(self._plan, self._webhooks, self._phone, verb.parties[0], self._plan.human(self._dials))
        self._dials += 1
        try:
            is_bridged = await leg.ring(verb.timeout_s) and await leg.bridge()
            self._phone.dialled(leg, verb.destinations)
            if is_bridged:
                await leg.talk()
        except asyncio.CancelledError:
            told = leg.end()
            if self._phone.is_over and verb.action is not None:
                self._phone.tell_beside(verb.action, self._phone.parameters() + told)
            raise
        return self._replace(verb.action, leg.end())
