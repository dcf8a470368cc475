"""The model's answers that are under way."""

from collections import OrderedDict
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 8


@dataclass(slots=True)
class Response:
    """One answer of the model."""

    asked_at: float
    """When the caller began to wait for it."""
    started_at: float
    first_audio_at: float | None = None
    is_void: bool = False
    """The caller spoke over it: nothing more of it may be heard."""
    items: set[str] = field(default_factory=set)


class Responses:
    """By id; also those whose beginning was never told, and no more than a few that never end."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Response] = OrderedDict()

    def begin(self, response_id: str, now: float, asked_at: float) -> Response:
        """The model says that it begins."""
        response = self._by_id[response_id] = Response(asked_at, now)
        if len(self._by_id) > _MOST:
            self._by_id.popitem(last=False)
        return response

    def get(self, response_id: str, now: float) -> Response:
        """The answer something belongs to."""
        return self._by_id.get(response_id) or self.begin(response_id, now, now)

    def pop(self, response_id: str, now: float) -> Response:
        """The answer that has ended."""
        return self._by_id.pop(response_id, None) or Response(now, now)

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def is_answering(self) -> bool:
        """True if an answer is under way that the caller may hear."""
        return any(not response.is_void for response in self._by_id.values())

    def void_those_with(self, items: Set[str]) -> tuple[str, ...]:
        """Nothing more of the answers that hold any of `items` is to be heard. Which ones these are."""
        cut = [name for name, response in self._by_id.items() if not response.is_void and response.items & items]
        for name in cut:
            self._by_id[name].is_void = True
        return tuple(cut)

    def void_all(self) -> None:
        """The caller speaks: whatever is under way is not to be heard."""
        for response in self._by_id.values():
            response.is_void = True
