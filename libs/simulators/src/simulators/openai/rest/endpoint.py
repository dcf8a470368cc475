"""One request from its headers to its last byte: who may ask, what is recorded, how the answer is written."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol, assert_never

import msgspec
from aiohttp import web

from simulators.openai.faults.book import FaultBook, HttpSubject
from simulators.openai.faults.http_kinds import (
    EndpointName,
    HttpBlackHole,
    HttpCut,
    HttpGarbage,
    HttpSlow,
    HttpStatus,
)
from simulators.openai.realtime.refusals import Json, Refusal
from simulators.openai.rest.answer import Answer
from simulators.openai.rest.garbage import garbled
from simulators.openai.rest.models import PATHS, check_model
from simulators.openai.rest.record import Asked, RequestBook
from simulators.openai.rest.refusing import (
    ApiError,
    bad_key,
    no_json,
    no_key,
    of_fault,
    of_refusal,
    too_large,
    wrong_content_type,
)
from simulators.openai.rest.writing import write
from simulators.openai.script import Account

_BEARER: Final = "Bearer "


class Endpoint(Protocol):
    """What differs between the endpoints."""

    @property
    def name(self) -> EndpointName: ...

    async def read(self, request: web.Request) -> Json:
        """The parameters, not yet checked. Raises `ApiError`."""

    async def answer(self, parameters: Json, asked: Asked) -> Answer:
        """Check, record and answer. Raises `Refusal` or `ApiError`."""


@dataclass(frozen=True, slots=True)
class Door:
    """Lets requests in to an endpoint."""

    endpoint: Endpoint
    account: Account
    book: RequestBook
    faults: FaultBook

    def route(self) -> web.RouteDef:
        """Where it is reached."""
        return web.post(PATHS[self.endpoint.name], self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        key = _key(request)
        asked = self.book.begin(self.endpoint.name, f"req_{secrets.token_hex(16)}", key)
        try:
            response = await self._serve(request, key, asked)
            asked.ended = "completed" if asked.ended == "running" else asked.ended
            return response
        except ApiError as error:
            asked.status, asked.error_code, asked.message = error.status, error.code, error.message
            asked.ended = "completed"
            return error.response(asked.request_id)
        finally:
            if asked.ended == "running":
                asked.ended = "client_gone"
            asked.ended_monotonic_s = time.monotonic()

    async def _serve(self, request: web.Request, key: str, asked: Asked) -> web.StreamResponse:
        if not key:
            raise no_key()
        parameters = await self.endpoint.read(request)
        model = parameters.get("model")
        asked.model = model if isinstance(model, str) else ""
        cut, garbage = await self._meet_faults(key, asked)
        if key in self.account.bad_keys:
            raise bad_key(key)
        check_model(self.endpoint.name, model, self.account)
        try:
            answer = await self.endpoint.answer(parameters, asked)
        except Refusal as refusal:
            raise of_refusal(refusal) from None
        return await write(request, garbled(garbage.what, answer) if garbage else answer, asked, cut)

    async def _meet_faults(self, key: str, asked: Asked) -> tuple[HttpCut | None, HttpGarbage | None]:
        """Let happen what happens before the answer; what is to happen to it."""
        cut: HttpCut | None = None
        garbage: HttpGarbage | None = None
        subject = HttpSubject(asked.number, asked.endpoint, key, asked.model)
        for fault, met_before in self.faults.of_request(subject):
            asked.faults.append(fault.kind)
            match fault:
                case HttpSlow(ms=ms, growth_ms=growth_ms):
                    await asyncio.sleep((ms + growth_ms * met_before) / 1000)
                case HttpBlackHole():
                    await asyncio.Event().wait()
                case HttpStatus():
                    raise of_fault(fault)
                case HttpCut():
                    cut = fault
                case HttpGarbage():
                    garbage = fault
                case _:
                    assert_never(fault)
        return cut, garbage


async def read_json(request: web.Request) -> Json:
    """The JSON object in a request's body. Raises `ApiError`."""
    if request.content_type != "application/json":
        raise wrong_content_type(request.content_type, "application/json")
    try:
        body: Any = msgspec.json.decode(await request.read())
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise no_json() from None
    if not isinstance(body, dict):
        raise no_json()
    return body


def _key(request: web.Request) -> str:
    authorization = request.headers.get("Authorization", "")
    return authorization.removeprefix(_BEARER) if authorization.startswith(_BEARER) else ""
