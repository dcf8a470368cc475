"""What one caller leaves, from the call to the store: a call that ends in the middle of a message has left it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from common import logs
from common.bus.facts import FactWriter
from common.errors import TrunklineError
from common.left_messages import LeftMessage
from common.messages.facts import MessageLeft
from common.messages.offers import Offer
from fallback.core.vocabulary import Event, RecordingLost, RecordingSaved
from fallback.messages import Messages, Recording

log = logs.get("recorder")

_LAST_WITHIN_S: Final = 5.0
"""A disk that takes longer at the end of the process leaves its recordings to whoever starts next."""


class Keeping:
    """Work beside the calls (`talker.service.Beside`): keeps what they have left, salvages what was left unfinished."""

    def __init__(self, messages: Messages, facts: FactWriter) -> None:
        self._messages = messages
        self._facts = facts
        self._errands: set[asyncio.Task[None]] = set()

    def recorder(self, offer: Offer, feed: Callable[[Event], None]) -> "CallRecorder":
        """One call's."""
        return CallRecorder(offer, self._messages, feed, self)

    async def run(self) -> None:
        """Until cancelled, and then until everything is kept: calls leave messages as long as they run."""
        for message in await self._messages.salvage():
            log.warning("a message of a replica that died was kept", extra=logs.fields(message=message.message_id))
            self.tell(message)
        try:
            await asyncio.Event().wait()
        finally:
            if self._errands:
                await asyncio.wait(self._errands, timeout=_LAST_WITHIN_S)

    def retire(self) -> None:
        """No more calls will come; those that run go on."""

    def tell(self, message: LeftMessage) -> None:
        """The fact of a message whose call is over."""
        self._facts.write(
            MessageLeft(
                call_id=message.call_id,
                message_id=message.message_id,
                profile=message.profile,
                duration_ms=message.duration_ms,
            )
        )

    def spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do this, whether the call goes on or not."""
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


class CallRecorder:
    """`fallback.attended_speech.Recorder`."""

    def __init__(self, offer: Offer, messages: Messages, feed: Callable[[Event], None], keeping: Keeping) -> None:
        self._about = (offer.call_id, offer.profile.name, offer.caller_number)
        self._messages = messages
        self._feed = feed
        self._keeping = keeping
        self._recording: Recording | None = None
        self._is_closed = False

    def start(self) -> None:
        """A message begins."""
        self.drop()
        self._recording = self._messages.begin(*self._about)

    def write(self, pcmu: bytes) -> None:
        """More of it. A recording that can go on no more is told as lost, once."""
        if self._recording is None:
            return
        try:
            self._recording.write(pcmu)
        except TrunklineError:
            self._recording = None
            self._feed(RecordingLost())

    def keep(self) -> None:
        """It is complete."""
        recording, self._recording = self._recording, None
        if recording is not None:
            self._keeping.spawn(self._keep(recording))

    async def _keep(self, recording: Recording) -> None:
        try:
            message = await recording.keep()
        except TrunklineError:
            self._feed(RecordingLost())
            return
        if self._is_closed:
            self._keeping.tell(message)
        else:
            self._feed(RecordingSaved(message.message_id, message.duration_ms))

    def drop(self) -> None:
        """There was nothing to keep."""
        recording, self._recording = self._recording, None
        if recording is not None:
            self._keeping.spawn(recording.drop())

    def wish(self) -> None:
        """The caller wants to be called back."""
        self._keeping.spawn(self._wish())

    async def _wish(self) -> None:
        try:
            await self._messages.note_callback(*self._about)
        except TrunklineError as error:
            log.error("a wish to be called back is in the facts only", extra=logs.fields(error=error.code))

    def close(self) -> None:
        """The call is over: a message that was being left is kept."""
        self._is_closed = True
        self.keep()
