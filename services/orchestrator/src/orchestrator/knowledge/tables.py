"""Instructions and answers from DynamoDB."""

from dataclasses import replace
from typing import Final

from common.errors import ConfigError
from orchestrator.core.answers import AnswerList, from_pairs
from orchestrator.dynamo.client import Dynamo, Item

TABLE_EVERY_S: Final = 30.0
_PROMPT: Final[Item] = {"id": {"S": "system"}}
_PAGE: Final = 200
_READ_AT_MOST: Final = 1_000


class PromptTable:
    """The item `id=system`, its field `content`."""

    label = "prompt_table"
    setting = "PROMPTS_TABLE_NAME"
    every_s = TABLE_EVERY_S
    is_local = False

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo, self._table = dynamo, table

    async def read(self) -> str | None:
        """As `Source.read`."""
        item = await self._dynamo.get(self._table, _PROMPT)
        content = _text(item or {}, "content")
        if not (content and content.strip()):
            raise ConfigError(f"{self.setting}: {self._table} has no item id=system with text in content")
        return content


class AnswersTable:
    """Every item's fields `question` and `answer`."""

    label = "faq_table"
    setting = "FAQ_TABLE_NAME"
    every_s = TABLE_EVERY_S
    is_local = False

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo, self._table = dynamo, table

    async def read(self) -> AnswerList | None:
        """As `Source.read`. An empty table is an empty list; one of which nothing can be used is a mistake."""
        items, has_more = await self._items()
        found = from_pairs((_text(item, "question"), _text(item, "answer")) for item in items)
        if items and not found.answers:
            raise ConfigError(f"{self.setting}: no item of {self._table} has text in question and answer")
        return replace(found, too_many=found.too_many + has_more)

    async def _items(self) -> tuple[list[Item], bool]:
        """`_READ_AT_MOST` of them, and whether there are more."""
        items: list[Item] = []
        after: Item | None = None
        while len(items) < _READ_AT_MOST:
            page, after = await self._dynamo.scan(self._table, after, _PAGE)
            items += page
            if after is None:
                return items, False
        return items, True


def _text(item: Item, field: str) -> str | None:
    value = item.get(field, {}).get("S")
    return value if isinstance(value, str) else None
