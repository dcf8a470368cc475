"""The ops port: `/livez`, `/readyz` and `/metrics` of one process, apart from anything callers can reach."""

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

Readiness = Callable[[], str | None]
"""None when ready, else what is missing, in words."""


def ops_app(readiness: Readiness) -> Starlette:
    """Liveness never depends on NATS or OpenAI: restarting us would not bring them back."""

    async def livez(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(request: Request) -> Response:
        missing = readiness()
        return PlainTextResponse(missing or "ok", status_code=503 if missing else 200)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])
