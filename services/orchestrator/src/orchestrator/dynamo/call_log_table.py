"""The call log's table: a line for every turn, under the caller's number and its moment."""

from datetime import timedelta
from typing import Final

from common.errors import StorageUnavailable
from orchestrator.core.call_log import Line
from orchestrator.dynamo.client import Dynamo, Item, NotMet

_FREE_OR_OURS: Final = "attribute_not_exists(phone_number) OR fact_id = :fact"
_BUMPS_AT_MOST: Final = 1_000


class CallLogTable:
    """Hash key `phone_number`, range key `ts`, both strings. `expires_at` is there for the table's own time to live."""

    def __init__(self, dynamo: Dynamo, table: str, keep_days: int) -> None:
        self._dynamo, self._table = dynamo, table
        self._keep = timedelta(days=keep_days)

    async def write(self, line: Line) -> None:
        """Write `line` once, however often this is called with it.

        Raises `StorageUnavailable` or `ConfigError`; nothing or all of it is written then.
        """
        fact: Item = {":fact": {"S": line.fact_id}}
        for _ in range(_BUMPS_AT_MOST):
            try:
                await self._dynamo.put(self._table, self._item(line), _FREE_OR_OURS, fact)
            except NotMet:
                line = line.later()
            else:
                return
        raise StorageUnavailable("the call log has no moment free for a line")

    async def forget_caller(self, phone_number: str) -> int:
        """Delete every line of a caller (E.164). Returns how many there were. Raises as `write` does."""
        forgotten, after = 0, None
        while True:
            items, after = await self._page(phone_number, after)
            for item in items:
                await self._forget(item)
                forgotten += 1
            if after is None:
                return forgotten

    async def _page(self, phone_number: str, after: Item | None) -> tuple[list[Item], Item | None]:
        start = {"ExclusiveStartKey": after} if after else {}
        return await self._dynamo.query(
            self._table,
            KeyConditionExpression="phone_number = :number",
            ExpressionAttributeValues={":number": {"S": phone_number}},
            ProjectionExpression="phone_number, ts, fact_id",
            **start,
        )

    async def _forget(self, item: Item) -> None:
        await self._dynamo.delete(self._table, {"phone_number": item["phone_number"], "ts": item["ts"]})

    def _item(self, line: Line) -> Item:
        return {
            "phone_number": {"S": line.phone_number},
            "ts": {"S": line.ts},
            line.field: {"S": line.text},
            "call_sid": {"S": line.call_sid},
            "fact_id": {"S": line.fact_id},
            "expires_at": {"N": str(int((line.at + self._keep).timestamp()))},
        }
