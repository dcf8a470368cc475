"""Identities of the things a session makes, in OpenAI's form."""


class Ids:
    """`event_…`, `item_…`, `resp_…` ids: unique among sessions by the session's token, ordered by a counter."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._count = 0

    def new(self, kind: str) -> str:
        """A fresh id such as `item_4fA9c0de0000002A`."""
        self._count += 1
        return f"{kind}_{self._token}{self._count:08X}"
