"""Where a list of calls goes on: the place of the last one shown, as a word that travels in a URL."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN: Final = re.compile(r"(\d{1,18}):([A-Za-z0-9_-]{1,64})")
_LATEST_US: Final = 253_402_300_799_999_999
"""The last moment a `datetime` can hold."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The next page begins after the call `call_id` that was first seen then."""

    first_seen_at: datetime
    call_id: str

    def written(self) -> str:
        """As it travels."""
        microseconds = (self.first_seen_at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(f"{microseconds}:{self.call_id}".encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """What `written` wrote. Raises `ValueError` for everything else, without repeating it."""
        try:
            plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        except ValueError:
            raise ValueError("not a cursor of this API") from None
        found = _WRITTEN.fullmatch(plain)
        if found is None or int(found[1]) > _LATEST_US:
            raise ValueError("not a cursor of this API")
        return cls(_EPOCH + timedelta(microseconds=int(found[1])), found[2])
