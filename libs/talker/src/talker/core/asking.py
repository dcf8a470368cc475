"""What the session was asked to answer last, and what it is asked next: one answer at a time."""

from talker.core.floor import Floor, Moment
from talker.core.responses import Response, Responses
from talker.core.waiting import Waiting
from talker.port import CancelResponse, Respond


class Asking:
    """Moves the floor when it asks. Providers refuse a second answer while one is under way."""

    def __init__(self, waiting: Waiting, responses: Responses, now: float) -> None:
        self._waiting = waiting
        self._responses = responses
        self.request = Respond()
        """What was asked for last; asked for again if it fails."""
        self._later: Respond | None = None
        self.is_open = False
        """True from asking until the answer begins."""
        self.asked_at = now
        """When the caller began to wait."""
        self.answers_ms = 0
        """Where the caller turn ended that is answered next, on the leg's clock; 0: there is none, or it was told."""

    @property
    def is_free(self) -> bool:
        """True if no answer is under way, asked for or about to be."""
        return not self._responses and not self.is_open and self._later is None

    def ask(self, request: Respond, now: float) -> tuple[Respond]:
        """Ask now."""
        self.request = request
        self.is_open = True
        self.asked_at = now
        self._waiting.move(Moment.ASKED, now)
        return (request,)

    def ask_when_free(self, request: Respond, now: float) -> tuple[Respond, ...]:
        """Ask once nothing is under way, not even an answer that is being cancelled."""
        if not self._responses:
            return self.ask(request, now)
        self._later = request
        self.asked_at = now
        self._waiting.move(Moment.ASKED, now)
        return ()

    def response_ended(self, now: float) -> tuple[Respond, ...]:
        """What has waited for that."""
        request = self._later
        if request is None or self._responses:
            return ()
        self._later = None
        return self.ask(request, now)

    def caller_began(self) -> None:
        """The caller speaks: the model answers that by itself."""
        self.request, self._later = Respond(), None

    def caller_ended(self, end_ms: int, now: float) -> None:
        """The caller waits."""
        self.answers_ms = end_ms
        self.is_open = False
        self.asked_at = now

    def response_started(self, response_id: str, now: float) -> tuple[CancelResponse, ...]:
        """An answer begins. If we asked, and the caller speaks meanwhile, it would be spoken over the caller."""
        asked_at = self.asked_at if self._waiting.is_waiting else now
        response = self._responses.begin(response_id, now, asked_at)
        was_open, self.is_open = self.is_open, False
        if not (was_open and self._waiting.floor is Floor.CALLER):
            return ()
        response.is_void = True
        return (CancelResponse(response_id),)

    def take_answers_ms(self, response: Response) -> int:
        """The caller turn an item answers, told once: with the first item of the first response after it."""
        if response.items:
            return 0
        answers_ms, self.answers_ms = self.answers_ms, 0
        return answers_ms
