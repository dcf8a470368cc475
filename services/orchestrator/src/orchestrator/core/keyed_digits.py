"""Digits a caller keys in for a tool: gathered until there are enough, or a key says so."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class KeyedDigits:
    """Feed it every press once or more, in order; ask `is_complete`."""

    length: int
    terminator: str = ""
    """The key that ends it; empty: none."""
    digits: str = ""
    is_complete: bool = False
    ended_by: str = "timeout"
    _seen: set[str] = field(default_factory=set)

    def press(self, fact_id: str, keys: str) -> None:
        """Keys were pressed. What comes after the end, or a second time, changes nothing."""
        if fact_id in self._seen:
            return
        self._seen.add(fact_id)
        for key in keys:
            self._take(key)

    def _take(self, key: str) -> None:
        if self.is_complete:
            return
        if key == self.terminator:
            self.is_complete, self.ended_by = True, "terminator"
            return
        self.digits += key
        if len(self.digits) >= self.length:
            self.is_complete, self.ended_by = True, "length"
