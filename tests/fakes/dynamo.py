"""DynamoDB for tests: moto's server on a real socket, with tables of each test's own."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from moto.server import ThreadedMotoServer

from orchestrator.dynamo.client import Dynamo, Patience

REGION: Final = "us-east-1"
ONCE: Final = Patience(connect_s=2.0, read_s=20.0, retries=0)
"""No retries, whose pauses a test would wait for; and time for a server that loads its tables at the first request."""
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
"""Moto takes any."""
_numbers = itertools.count(1)


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
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()

    def stop(self) -> None:
        """Nothing answers on its port any more."""
        self._server.stop()

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
