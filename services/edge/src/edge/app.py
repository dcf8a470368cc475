"""The public HTTP application: the legs' webhooks, and what a broken request is told."""

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import PlainTextResponse

from common import logs, metrics
from common.errors import RemoteProtocolError, SecurityError

log = logs.get("app")


def public_app(*legs: APIRouter) -> FastAPI:
    """Webhooks only: no docs, no metrics, nothing a stranger could use."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for routes in legs:
        app.include_router(routes)
    app.add_exception_handler(SecurityError, _forbidden)
    app.add_exception_handler(RemoteProtocolError, _bad_request)
    return app


async def _forbidden(request: Request, error: Exception) -> Response:
    assert isinstance(error, SecurityError)
    metrics.SECURITY_REJECTS.labels(error.kind).inc()
    log.warning("request refused", extra=logs.fields(kind=error.kind))
    return PlainTextResponse("forbidden\n", status_code=403)


async def _bad_request(request: Request, error: Exception) -> Response:
    metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", "bad_request").inc()
    log.warning("request refused", extra=logs.fields(why=str(error)))
    return PlainTextResponse("bad request\n", status_code=400)
