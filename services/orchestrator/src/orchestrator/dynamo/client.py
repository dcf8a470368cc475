"""The connection to DynamoDB: bounded in time, and its errors said in our words."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from common import metrics
from common.errors import ConfigError, LocalProtocolError, StorageUnavailable

Item: TypeAlias = dict[str, dict[str, Any]]
"""As DynamoDB has it: each value with its type, such as `{"id": {"S": "system"}}`."""

_NOT_MET: Final = "ConditionalCheckFailedException"
_OPERATORS: Final = {
    "ResourceNotFoundException": "does not exist",
    "AccessDeniedException": "may not be used with these credentials",
    "UnrecognizedClientException": "does not know these credentials",
    "InvalidSignatureException": "does not accept these credentials",
    "MissingAuthenticationToken": "does not accept these credentials",
    "ExpiredTokenException": "does not accept these credentials any more",
    "ValidationException": "has another key than it must have, or holds what cannot be used",
}
"""What only the operator can mend; everything else passes by itself."""
_AWAY_OR_NONSENSE: Final = (BotoCoreError, OSError, TimeoutError, KeyError, TypeError, ValueError, AttributeError)
"""The last four are what reading an answer raises that is none of DynamoDB's."""
_CONNECTIONS: Final = 32


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request may take, step by step."""

    connect_s: float = 2.0
    read_s: float = 3.0
    retries: int = 2


class NotMet(Exception):
    """The condition of a write did not hold: nothing was written."""


class Dynamo:
    """The one client of this process, a part of the orchestrator: started before those who ask, closed after them."""

    name = "dynamo"

    def __init__(self, region: str, endpoint_url: str | None, patience: Patience = Patience()) -> None:
        """Credentials come from the standard AWS environment. `endpoint_url`: None at Amazon."""
        self._region, self._endpoint_url, self._patience = region, endpoint_url, patience
        self._stack = AsyncExitStack()
        self._client: Any = None

    async def start(self) -> None:
        """Make the client; nothing is sent. Raises `ConfigError`. A second call does nothing."""
        if self._client is not None:
            return
        config = AioConfig(
            connect_timeout=self._patience.connect_s,
            read_timeout=self._patience.read_s,
            retries={"total_max_attempts": 1 + self._patience.retries, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
        )
        try:
            made = get_session().create_client(
                "dynamodb", region_name=self._region, endpoint_url=self._endpoint_url, config=config
            )
            self._client = await self._stack.enter_async_context(made)
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(f"AWS_REGION, AWS_ENDPOINT_URL: no DynamoDB there: {type(error).__name__}") from None

    async def run(self) -> None:
        """There is nothing to do but to answer."""

    async def drain(self) -> None:
        """Who asks has drained."""

    async def close(self) -> None:
        """Let go of every connection."""
        self._client = None
        await self._stack.aclose()

    async def get(self, table: str, key: Item) -> Item | None:
        """One item as it is now. Raises as `query` does."""
        return (await self._ask("get_item", table, Key=key, ConsistentRead=True)).get("Item")

    async def put(self, table: str, item: Item, condition: str, values: Item | None = None) -> None:
        """Write a whole item if `condition` holds. Raises `NotMet`, or as `query` does."""
        given = {"ExpressionAttributeValues": values} if values else {}
        await self._ask("put_item", table, Item=item, ConditionExpression=condition, **given)

    async def delete(self, table: str, key: Item) -> bool:
        """Delete an item. False if there is none. Raises as `query` does."""
        return bool((await self._ask("delete_item", table, Key=key, ReturnValues="ALL_OLD")).get("Attributes"))

    async def query(self, table: str, **request: Any) -> tuple[list[Item], Item | None]:
        """One page of items with one hash key, and where the next begins.

        Raises `StorageUnavailable` while DynamoDB is away or too busy; `ConfigError` for what the operator must mend.
        """
        return _page(await self._ask("query", table, ConsistentRead=True, **request))

    async def scan(self, table: str, after: Item | None, limit: int) -> tuple[list[Item], Item | None]:
        """One page of all items, and where the next begins. Raises as `query` does."""
        given = {"ExclusiveStartKey": after} if after else {}
        return _page(await self._ask("scan", table, Limit=limit, ConsistentRead=True, **given))

    async def _ask(self, operation: str, table: str, **request: Any) -> Mapping[str, Any]:
        if self._client is None:
            raise LocalProtocolError("DynamoDB is asked before `start` or after `close`")
        try:
            answer: Mapping[str, Any] = await getattr(self._client, operation)(TableName=table, **request)
        except ClientError as error:
            raise _told(operation, table, error) from None
        except (NoCredentialsError, PartialCredentialsError):
            metrics.DYNAMO_REQUESTS.labels(operation, "config").inc()
            raise ConfigError("AWS_ACCESS_KEY_ID: no credentials for DynamoDB in the AWS environment") from None
        except ParamValidationError:
            raise LocalProtocolError(f"DynamoDB: a malformed {operation}") from None
        except _AWAY_OR_NONSENSE as error:
            metrics.DYNAMO_REQUESTS.labels(operation, "storage").inc()
            raise StorageUnavailable(f"DynamoDB: {type(error).__name__}") from None
        if not answer.get("ResponseMetadata", {}).get("RequestId"):  # a proxy's page would pass for an empty answer
            metrics.DYNAMO_REQUESTS.labels(operation, "storage").inc()
            raise StorageUnavailable("DynamoDB: something else answered")
        metrics.DYNAMO_REQUESTS.labels(operation, "ok").inc()
        return answer


def _page(answer: Mapping[str, Any]) -> tuple[list[Item], Item | None]:
    return list(answer.get("Items", ())), answer.get("LastEvaluatedKey") or None


def _told(operation: str, table: str, error: ClientError) -> Exception:
    """What DynamoDB answered, without its message: that may quote what was to be written."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code == _NOT_MET:
        metrics.DYNAMO_REQUESTS.labels(operation, "not_met").inc()
        return NotMet()
    if (why := _OPERATORS.get(code)) is not None:
        metrics.DYNAMO_REQUESTS.labels(operation, "config").inc()
        return ConfigError(f"the DynamoDB table {table} {why}")
    metrics.DYNAMO_REQUESTS.labels(operation, "storage").inc()
    return StorageUnavailable(f"the DynamoDB table {table}: {code[:64]}")
