"""Close codes of speech sockets, as bounded metric labels."""

from typing import Final

_KNOWN_CLOSES: Final = frozenset({1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 3000})


def closed_label(close_code: int) -> str:
    """The close code as a bounded label."""
    return str(close_code) if close_code in _KNOWN_CLOSES else "other"
