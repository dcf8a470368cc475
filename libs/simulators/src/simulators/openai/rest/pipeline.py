"""The three endpoints of a turn-based pipeline, as one part of the application."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from simulators.openai.faults.book import FaultBook
from simulators.openai.realtime.world import World
from simulators.openai.rest.chat import ChatEndpoint
from simulators.openai.rest.endpoint import Door
from simulators.openai.rest.reading_aloud import Reader
from simulators.openai.rest.record import RequestBook
from simulators.openai.rest.speech import SpeechEndpoint
from simulators.openai.rest.transcription import TranscriptionEndpoint
from simulators.people.likeness import Likeness


@dataclass(slots=True)
class Pipeline:
    """Chat, transcription and speech, and what was asked of them."""

    world: World
    faults: FaultBook
    book: RequestBook = field(default_factory=RequestBook)
    _likeness: Likeness = field(init=False)

    def __post_init__(self) -> None:
        self._likeness = Likeness(self.world.recogniser.recordings)

    def routes(self) -> list[web.RouteDef]:
        """Where they are reached."""
        world, likeness = self.world, self._likeness
        endpoints = (
            ChatEndpoint(world),
            TranscriptionEndpoint(world, likeness),
            SpeechEndpoint(world, Reader(likeness)),
        )
        return [Door(endpoint, world.script.account, self.book, self.faults).route() for endpoint in endpoints]

    async def prepare(self, app: web.Application) -> AsyncIterator[None]:
        """Get ready to hear while the first requests come in, not when the first audio does."""
        preparing = asyncio.create_task(asyncio.to_thread(self._likeness.prepare))
        yield
        await preparing
