"""The connection to DynamoDB against moto's server: what works, and that every failure is said in our words."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from common.errors import ConfigError, LocalProtocolError, StorageUnavailable
from fakes.dynamo import CREDENTIALS, REGION, DynamoServer, create_table, fill, started
from orchestrator.dynamo.client import Dynamo, NotMet, Patience

KEY = {"id": {"S": "system"}}
IMPATIENT = Patience(connect_s=0.2, read_s=0.2, retries=0)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def requests(operation: str, result: str) -> float:
    labels = {"operation": operation, "result": result}
    return REGISTRY.get_sample_value("trunkline_dynamo_requests_total", labels) or 0.0


async def test_an_item_is_read_as_it_was_written(dynamo: Dynamo) -> None:
    table = await create_table(dynamo, "id")
    assert await dynamo.get(table, KEY) is None
    await fill(dynamo, table, {"id": "system", "content": "語", "number": 7})
    assert await dynamo.get(table, KEY) == {**KEY, "content": {"S": "語"}, "number": {"N": "7"}}


async def test_a_write_whose_condition_does_not_hold_changes_nothing(dynamo: Dynamo) -> None:
    table = await create_table(dynamo, "id")
    await dynamo.put(table, {**KEY, "content": {"S": "first"}}, "attribute_not_exists(id)")
    with pytest.raises(NotMet):
        await dynamo.put(table, {**KEY, "content": {"S": "second"}}, "attribute_not_exists(id)")
    assert await dynamo.get(table, KEY) == {**KEY, "content": {"S": "first"}}


async def test_a_delete_says_whether_there_was_anything(dynamo: Dynamo) -> None:
    table = await create_table(dynamo, "id")
    await fill(dynamo, table, {"id": "system"})
    assert [await dynamo.delete(table, KEY) for _ in range(2)] == [True, False]


async def test_a_scan_goes_on_where_the_last_page_ended(dynamo: Dynamo) -> None:
    table = await create_table(dynamo, "id")
    await fill(dynamo, table, *({"id": f"item-{number}"} for number in range(5)))
    first, after = await dynamo.scan(table, None, 3)
    second, end = await dynamo.scan(table, after, 3)
    assert {item["id"]["S"] for item in first + second} == {f"item-{number}" for number in range(5)}
    assert (len(first), end) == (3, None)


async def test_starting_twice_and_closing_twice_does_no_harm(dynamo_server: DynamoServer) -> None:
    dynamo = dynamo_server.dynamo()
    await dynamo.start()
    await dynamo.start()
    await dynamo.close()
    await dynamo.close()
    with pytest.raises(LocalProtocolError):
        await dynamo.get("table", KEY)


# --- what fails -------------------------------------------------------------------------------------------------------


async def test_a_table_that_does_not_exist_is_the_operators(dynamo: Dynamo) -> None:
    before = requests("get_item", "config")
    with pytest.raises(ConfigError, match="the DynamoDB table nowhere does not exist"):
        await dynamo.get("nowhere", KEY)
    assert requests("get_item", "config") - before == 1


async def test_a_table_with_another_key_is_the_operators(dynamo: Dynamo) -> None:
    table = await create_table(dynamo, "name")
    with pytest.raises(ConfigError, match="another key"):
        await dynamo.get(table, KEY)


async def test_a_malformed_request_is_our_own_error(dynamo: Dynamo) -> None:
    with pytest.raises(LocalProtocolError) as error:
        await dynamo.get("table", {"id": {"S": 7}})
    assert "7" not in str(error.value)


async def test_without_credentials_the_operator_is_told_which(
    dynamo_server: DynamoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    async with started(dynamo_server.dynamo()) as dynamo:
        with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
            await dynamo.get("table", KEY)


async def test_a_region_that_is_none_is_the_operators() -> None:
    with pytest.raises(ConfigError, match="AWS_REGION"):
        await Dynamo("not a region!", None).start()


async def test_a_server_that_is_away_and_back_is_one_client_long(dynamo_server: DynamoServer) -> None:
    async with started(dynamo_server.dynamo()) as dynamo:
        table = await create_table(dynamo, "id")
        await fill(dynamo, table, {"id": "system"})
        dynamo_server.stop()
        try:
            before = requests("get_item", "storage")
            with pytest.raises(StorageUnavailable):
                await dynamo.get(table, KEY)
            assert requests("get_item", "storage") - before == 1
        finally:
            dynamo_server.start()
        assert await dynamo.get(table, KEY) == KEY


class Impostor:
    """Something that is no DynamoDB, on its port: answers every request with `answer`, or not at all."""

    answer: bytes | None = None

    def __init__(self) -> None:
        self.connections: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for one request."""
        self.connections.append(writer)
        if self.answer is not None:
            with contextlib.suppress(ConnectionError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer)
                await writer.drain()
                writer.close()


@contextlib.asynccontextmanager
async def asking_an_impostor() -> AsyncIterator[tuple[Impostor, Dynamo]]:
    """It, and a client that takes it for DynamoDB."""
    impostor = Impostor()
    listener = await asyncio.start_server(impostor.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        async with started(Dynamo(REGION, url, IMPATIENT)) as dynamo:
            yield impostor, dynamo
    finally:
        for connection in impostor.connections:
            connection.close()
        listener.close()
        await listener.wait_closed()


def http(status: str, body: bytes, kind: str = "application/x-amz-json-1.0", headers: str = "") -> bytes:
    known = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    head = f"HTTP/1.1 {status}\r\n{known}{headers}\r\n"
    return head.encode() + body


def refusal(kind: str) -> bytes:
    return http("400 Bad Request", f'{{"__type": "com.amazonaws#{kind}", "message": "spoken words"}}'.encode())


REQUEST_ID = "x-amzn-RequestId: 1\r\n"
AWAY = (
    None,
    b"",
    b"\x00\xff\x00",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
    http("200 OK", b"<html>please log in</html>", "text/html"),
    http("200 OK", b'{"Item": "none of it"}', headers=REQUEST_ID),
    http("200 OK", b"[1, 2]", headers=REQUEST_ID),
    http("500 Internal Server Error", b'{"__type": "InternalServerError", "message": "spoken words"}'),
    http("502 Bad Gateway", b"bad gateway", "text/plain"),
    refusal("ProvisionedThroughputExceededException"),
    refusal("ThrottlingException"),
    refusal("SomethingNewException"),
)


async def test_whatever_answers_instead_is_storage_that_is_away() -> None:
    async with asking_an_impostor() as (impostor, dynamo):
        for impostor.answer in AWAY:
            with pytest.raises(StorageUnavailable) as error:
                await dynamo.get("calls", KEY)
            assert "spoken" not in str(error.value)


async def test_refused_credentials_are_the_operators() -> None:
    async with asking_an_impostor() as (impostor, dynamo):
        for kind in ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"):
            impostor.answer = refusal(kind)
            with pytest.raises(ConfigError, match=r"the DynamoDB table calls .* credentials"):
                await dynamo.get("calls", KEY)
