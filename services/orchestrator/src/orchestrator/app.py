"""The HTTP application of the orchestrator: call records, for whoever has the key."""

import asyncio
import hmac
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, AwareDatetime
from starlette.responses import JSONResponse

from common import logs, metrics
from common.errors import StorageUnavailable
from orchestrator.core.cursor import Cursor
from orchestrator.core.phone_numbers import CountryOf, national, normalised
from orchestrator.records import reading
from orchestrator.records.answers import CallPage, CallRecord, CallSummary, Erasure
from orchestrator.records.erasing import Eraser
from orchestrator.records.reading import Filter
from orchestrator.stores.database import Database, StorageRejected

log = logs.get("api")

_MOST_CALLS: Final = 200
_RETRY_AFTER_S: Final = 5
_ANSWER_WITHIN_S: Final = 10.0
_FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No key, or not the right one"},
    503: {"description": "The database is away; `Retry-After` says when to ask again"},
}


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _cursor(text: str) -> Cursor:
    return Cursor.read(text)


def _caller(number: str) -> str:
    """Only what tells one caller from others: not `anonymous`, which many are."""
    known = normalised(number)
    if known is None or not (known.startswith("+") or "@" in known):
        raise ValueError("must be a number in international form, such as +15550100123, or a SIP address")
    return known


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Caller = Annotated[str, AfterValidator(_caller)]
Profile = Annotated[str, Query(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
CallId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
AnyCall = TypeVar("AnyCall", bound=CallSummary)
PlaceInList = Annotated[str, Query(max_length=200), AfterValidator(_cursor)]


def records_app(database: Database, eraser: Eraser, api_key: str, country_of: CountryOf) -> FastAPI:
    """Everything in it needs the key, what it offers as well."""
    app = FastAPI(
        title="Trunkline call records",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(_Key(api_key))],
        responses=_FAILURES,
    )
    app.add_exception_handler(StorageRejected, _rejected)
    app.add_exception_handler(StorageUnavailable, _away)
    app.add_exception_handler(TimeoutError, _away)
    _add_reading(app, database, country_of)
    _add_erasing(app, eraser)
    _add_description(app)
    return app


class _Key:
    """The one bearer key. Looks at it in constant time, and says nothing about what was wrong."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    async def __call__(
        self, given: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
    ) -> None:
        if given is None or not hmac.compare_digest(given.credentials.encode(), self._key):
            metrics.SECURITY_REJECTS.labels("api_key").inc()
            log.warning("request refused", extra=logs.fields(kind="api_key"))
            raise HTTPException(401, "a bearer key is needed", {"WWW-Authenticate": "Bearer"})


def _add_reading(app: FastAPI, database: Database, country_of: CountryOf) -> None:
    def shown(call: AnyCall) -> AnyCall:
        if call.caller_number is None:
            return call
        written = national(call.caller_number, country_of(call.profile or ""))
        return call.model_copy(update={"caller_number_national": written})

    @app.get("/calls")
    async def list_calls(
        since: Moment | None = None,
        until: Moment | None = None,
        profile: Profile | None = None,
        live: bool | None = None,
        caller: Caller | None = None,
        cursor: PlaceInList | None = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_CALLS)] = 50,
    ) -> CallPage:
        """The newest calls first; those that run are among them."""
        wanted = Filter(since, until, profile, live, caller)
        place = cursor if isinstance(cursor, Cursor) else None
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            found = await reading.page(database, wanted, place, limit)
        return found.model_copy(update={"calls": [shown(call) for call in found.calls]})

    @app.get("/calls/{call_id}", responses={404: {"description": "There is no record of such a call"}})
    async def show_call(call_id: CallId) -> CallRecord:
        """Everything that is kept of one call; of one that runs: so far."""
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            found = await reading.record(database, call_id)
        if found is None:
            raise HTTPException(404, "there is no record of such a call")
        return shown(found)


def _add_erasing(app: FastAPI, eraser: Eraser) -> None:
    @app.delete("/callers/{number}")
    async def erase_caller(number: Caller) -> Erasure:
        """Delete the words and numbers of every call this caller made; that there were calls stays."""
        return Erasure(calls=await eraser.erase_caller(number))


def _add_description(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def describe() -> JSONResponse:
        return JSONResponse(app.openapi())


async def _away(request: Request, error: Exception) -> Response:
    log.warning("the database did not answer a request", extra=logs.fields(error=type(error).__name__))
    words: dict[str, Any] = {"detail": "the database is away"}
    return JSONResponse(words, status_code=503, headers={"Retry-After": str(_RETRY_AFTER_S)})


async def _rejected(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "the database cannot look for this"}, status_code=422)
