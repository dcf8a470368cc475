"""How many tools may run in this process at once."""


class Slots:
    """`take` one, `give_back` one."""

    def __init__(self, at_most: int) -> None:
        self._free = at_most

    def take(self) -> bool:
        """False if none is free."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """After a `take` that was True."""
        self._free += 1
