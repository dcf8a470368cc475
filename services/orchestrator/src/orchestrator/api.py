"""The part of the orchestrator that serves its API."""

import asyncio

import uvicorn
from pydantic import SecretStr

from common import logs
from common.http_server import HttpServer, listen
from orchestrator.app import records_app
from orchestrator.core.phone_numbers import CountryOf
from orchestrator.records.erasing import Eraser
from orchestrator.stores.database import Database

log = logs.get("api")


class Api:
    """A `Part`. Without a key it serves nothing: records are nobody's by default."""

    name = "api"

    def __init__(
        self,
        database: Database,
        eraser: Eraser,
        country_of: CountryOf,
        api_key: SecretStr | None,
        host: str,
        port: int,
    ) -> None:
        self._database, self._eraser, self._country_of, self._key = database, eraser, country_of, api_key
        self._host, self._port = host, port
        self._server: HttpServer | None = None

    @property
    def port(self) -> int | None:
        """Where it is served; None: it is not."""
        return self._server.port if self._server is not None else None

    async def start(self) -> None:
        """Listen. Raises `ConfigError` if the port cannot be had."""
        if self._key is None:
            log.info("the API is not served: ORCHESTRATOR_API_KEY is not set")
            return
        app = records_app(self._database, self._eraser, self._key.get_secret_value(), self._country_of)
        config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False, server_header=False)
        self._server = HttpServer(config, listen(self._host, self._port, "ORCHESTRATOR_PORT"))
        await self._server.start()
        log.info("API is served", extra=logs.fields(port=self._server.port))

    async def run(self) -> None:
        """Until cancelled; the server runs by itself."""
        await asyncio.Event().wait()

    async def drain(self) -> None:
        """Records can be read to the end."""

    async def close(self) -> None:
        """Finish what is being answered."""
        if self._server is not None:
            await self._server.stop()
