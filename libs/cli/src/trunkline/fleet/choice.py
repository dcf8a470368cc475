"""Choosing one of several by what the user typed: its whole name, or the beginning of it if that fits one alone."""

from collections.abc import Collection

from common.errors import TrunklineError


def the_one(typed: str, names: Collection[str], what: str, see: str) -> str:
    """The name meant by `typed`. Raises `TrunklineError` naming the candidates, or the command that lists them."""
    if typed in names:
        return typed
    fitting = sorted(name for name in names if typed and name.startswith(typed))
    match fitting:
        case [only]:
            return only
        case []:
            raise TrunklineError(f"there is no {what} {typed!r}: `trunkline {see}` lists those there are")
        case _:
            raise TrunklineError(f"{typed!r} could be {', '.join(fitting)}: say more of it")
