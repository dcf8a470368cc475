"""Getting a speech session ready for a call: a warm one if there is one, else a new one."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable

from common import logs, metrics
from common.errors import DeadlineExceeded, TrunklineError, UpstreamUnavailable
from common.messages.offers import HandoverReason, Offer
from realtime_worker.backends.port import Backend
from realtime_worker.speech_session import SpeechSession
from talker.outcomes import Outcomes
from talker.port import Configure, Opened

log = logs.get("opening")


class Opener:
    """Opens sessions at one provider and tells how each attempt went."""

    def __init__(
        self, new_backend: Callable[[], Backend], tls: ssl.SSLContext | None, outcomes: Outcomes, timeout_s: float
    ) -> None:
        self._new_backend = new_backend
        self._tls = tls
        self._outcomes = outcomes
        self._timeout_s = timeout_s

    async def idle(self, model: str) -> SpeechSession:
        """A session that is open but nobody's yet. Raises a `TrunklineError`."""
        async with self._attempt(model) as speech:
            await speech.connect(model, self._tls, self._timeout_s)
            await speech.opened()
        return speech

    async def for_call(self, offer: Offer, model: str, warm: SpeechSession | None) -> Opened:
        """A session configured for this call. Raises a `TrunklineError`.

        A call that begins is answered at once. One that runs already is told at the cut, and nothing may be answered
        before that (`openai-realtime.md` §1.11).
        """
        started = time.monotonic()
        agent = Configure(offer.profile, answers_by_itself=offer.reason is HandoverReason.START)
        if warm is not None and await self._warmed(warm, agent):
            return Opened(warm, model, agent.answers_by_itself, is_warm=True, open_s=time.monotonic() - started)
        async with self._attempt(model) as speech:
            await speech.connect(model, self._tls, self._timeout_s)
            await speech.configure(agent)
        open_s = time.monotonic() - started
        metrics.SESSION_READY.labels(model).observe(open_s)
        return Opened(speech, model, agent.answers_by_itself, is_warm=False, open_s=open_s)

    async def _warmed(self, speech: SpeechSession, agent: Configure) -> bool:
        """False if the session was dead already; it may have died without a word, so it gets half of the time."""
        try:
            async with asyncio.timeout(self._timeout_s / 2):
                await speech.configure(agent)
        except (UpstreamUnavailable, TimeoutError):
            speech.close()
            log.info("a warm session died when it was taken; opening a new one")
            return False
        except BaseException:
            speech.close()
            raise
        return True

    @contextlib.asynccontextmanager
    async def _attempt(self, model: str) -> AsyncIterator[SpeechSession]:
        """One attempt at a new session: limited, closed again if it fails, and its outcome told."""
        started = time.monotonic()
        speech = SpeechSession(self._new_backend())
        error_code = ""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield speech
        except TrunklineError as error:
            error_code = error.code
            raise
        except TimeoutError as error:
            error_code = DeadlineExceeded.code
            raise DeadlineExceeded("opening the speech session", self._timeout_s) from error
        except BaseException:
            error_code = "cancelled"
            raise
        finally:
            if error_code:
                speech.close()
            if error_code != "cancelled":
                self._outcomes.connected(speech.provider, model, error_code, time.monotonic() - started)
