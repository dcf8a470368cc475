"""DynamoDB for tests: moto's server on a real socket, with tables of each test's own."""

import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from orchestrator.dynamo.client import Dynamo, Patience

REGION: Final = "us-east-1"
ONCE: Final = Patience(connect_s=2.0, read_s=20.0, retries=0)
"""No retries, whose pauses a test would wait for; and time for a server that loads its tables at the first request."""
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
"""Moto takes any."""
_numbers = itertools.count(1)


class OneAtATime:
    """Moto looks at a write's condition, then writes: of two at once both would be told that they were the first."""

    def __init__(self, app: DomainDispatcherApplication) -> None:
        self._app = app
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """One request, answered before the next is looked at (WSGI)."""
        with self._turn:
            return list(self._app(environ, start_response))


class DynamoServer:
    """One server. Its tables and its port outlive `stop`, so `start` brings the same one back."""

    def __init__(self) -> None:
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen."""
        app = OneAtATime(DomainDispatcherApplication(create_backend_app))
        self._server = make_server("127.0.0.1", self._port, app, threaded=True, request_handler=MotoRequestHandler)
        self._port = self._server.port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nothing answers on its port any more."""
        self._server.shutdown()
        self._thread.join()

    def dynamo(self, patience: Patience = ONCE) -> Dynamo:
        """A client that has not started."""
        return Dynamo(REGION, self.url, patience)


@contextlib.contextmanager
def running_dynamo() -> Iterator[DynamoServer]:
    """A server of its own, ended with the context."""
    server = DynamoServer()
    try:
        yield server
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def started(dynamo: Dynamo) -> AsyncIterator[Dynamo]:
    """The client, closed with the context."""
    await dynamo.start()
    try:
        yield dynamo
    finally:
        await dynamo.close()


async def create_table(dynamo: Dynamo, hash_key: str, range_key: str | None = None, name: str = "") -> str:
    """The name of an empty table whose keys are strings."""
    table = name or f"table-{next(_numbers)}"
    keys = [(hash_key, "HASH"), *([(range_key, "RANGE")] if range_key else [])]
    await dynamo._client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return table


async def fill(dynamo: Dynamo, table: str, *items: dict[str, Any]) -> None:
    """Put strings, numbers and lists into a table, as anybody may."""
    for item in items:
        typed = {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in item.items()}
        await dynamo._client.put_item(TableName=table, Item=typed)
