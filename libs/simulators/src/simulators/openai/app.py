"""The HTTP surface of the simulator: OpenAI's endpoints, and `/_sim` for those who test with it."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from pydantic import ValidationError

from simulators.openai.faults.book import FaultBook
from simulators.openai.faults.kinds import FaultList
from simulators.openai.realtime.endpoint import RealtimeEndpoint, Visit
from simulators.openai.realtime.record import describe, marked, recognised
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.world import World
from simulators.openai.rest.pipeline import Pipeline
from simulators.openai.rest.refusing import MAX_CONTENT_BYTES

MAX_BODY_BYTES: Final = MAX_CONTENT_BYTES + 64 * 1024
"""The largest upload with the other fields of its form."""


@dataclass(frozen=True, slots=True)
class Control:
    """`/_sim`: what was recorded, and the faults."""

    realtime: RealtimeEndpoint
    pipeline: Pipeline

    def routes(self) -> list[web.RouteDef]:
        """What it serves."""
        return [
            web.get("/_sim/healthz", self.healthz),
            web.get("/_sim/sessions", self.sessions),
            web.delete("/_sim/sessions", self.forget),
            web.get("/_sim/sessions/{session_id}", self.session),
            web.get("/_sim/sessions/{session_id}/audio", self.audio),
            web.get("/_sim/requests", self.requests),
            web.delete("/_sim/requests", self.forget_requests),
            web.get("/_sim/faults", self.faults),
            web.post("/_sim/faults", self.set_faults),
            web.delete("/_sim/faults", self.clear_faults),
        ]

    async def healthz(self, request: web.Request) -> web.Response:
        """The process serves."""
        running = sum(1 for _ in self.realtime.running)
        return web.json_response({"status": "ok", "sessions": len(self.realtime.visits), "running": running})

    async def sessions(self, request: web.Request) -> web.Response:
        """Every session since the start (or the last DELETE).

        `?recognise=0` leaves out what was said, which costs time; `?marks=1` adds the watermarks in the caller's audio.
        """
        with_recognition = request.query.get("recognise", "1") != "0"
        visits = list(self.realtime.visits)
        described = [await self._describe(visit, with_recognition) for visit in visits]
        if request.query.get("marks", "0") != "0":
            for visit, record in zip(visits, described, strict=True):
                tape = visit.connection.session.hearing.tape.all()
                record["caller_audio"]["marks"] = await asyncio.to_thread(marked, tape)
        return web.json_response(described)

    async def session(self, request: web.Request) -> web.Response:
        """One session."""
        return web.json_response(await self._describe(self._find(request), True))

    async def audio(self, request: web.Request) -> web.Response:
        """The caller's audio as raw pcmu."""
        tape = self._find(request).connection.session.hearing.tape
        return web.Response(body=tape.all(), content_type="audio/basic")

    async def forget(self, request: web.Request) -> web.Response:
        """Drop the record of sessions that have ended."""
        running = list(self.realtime.running)
        forgotten = len(self.realtime.visits) - len(running)
        self.realtime.visits[:] = running
        return web.json_response({"forgotten": forgotten})

    async def requests(self, request: web.Request) -> web.Response:
        """What was asked of chat, transcription and speech, since the last DELETE; `?endpoint=` selects."""
        wanted = request.query.get("endpoint")
        return web.json_response([a.describe() for a in self.pipeline.book if wanted in (None, a.endpoint)])

    async def forget_requests(self, request: web.Request) -> web.Response:
        """Drop the record of requests that have ended."""
        return web.json_response({"forgotten": self.pipeline.book.forget()})

    async def faults(self, request: web.Request) -> web.Response:
        """The faults that are set."""
        return web.json_response([entry.describe() for entry in self.realtime.faults])

    async def set_faults(self, request: web.Request) -> web.Response:
        """Set one fault, `{"faults": [...]}` or an outage; 422 names what is wrong."""
        try:
            posted = FaultList.model_validate_json(await request.read())
        except ValidationError as error:
            problems = [{"loc": list(problem["loc"]), "msg": problem["msg"]} for problem in error.errors()]
            return web.json_response({"errors": problems}, status=422)
        answers: list[Json] = []
        for fault in posted.faults:
            entry, met = self.realtime.set_fault(fault)
            answers.append({"id": entry.entry_id, "met_running": met})
        return web.json_response({"faults": answers})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """End all faults; a session in a black hole stays there."""
        return web.json_response({"cleared": self.realtime.faults.clear()})

    async def _describe(self, visit: Visit, with_recognition: bool) -> Json:
        session = visit.connection.session
        described = describe(visit.subject, session, visit.connection.life)
        if with_recognition:
            caller = await asyncio.to_thread(recognised, self.realtime.world.recogniser, session.hearing.tape.all())
            described["caller_audio"]["recognition"] = caller
        return described

    def _find(self, request: web.Request) -> Visit:
        wanted = request.match_info["session_id"]
        for visit in self.realtime.visits:
            if visit.subject.session_id == wanted:
                return visit
        raise web.HTTPNotFound(text="no such session")


def make_app(world: World) -> web.Application:
    """The application with its faults as the script sets them."""
    faults = FaultBook(world.script.faults)
    realtime = RealtimeEndpoint(world, faults)
    pipeline = Pipeline(world, faults)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.cleanup_ctx.append(pipeline.prepare)
    app.add_routes([web.get("/v1/realtime", realtime.handle), *pipeline.routes()])
    app.add_routes(Control(realtime, pipeline).routes())
    return app
