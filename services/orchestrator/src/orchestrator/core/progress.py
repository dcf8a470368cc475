"""How far a partition has been followed: every fact up to here is done, whatever order calls finish in."""

from collections import OrderedDict


class Progress:
    """Fed with stream sequences: `took` in rising order, `done` in any."""

    def __init__(self, cursor: int) -> None:
        """`cursor`: every fact up to this sequence was done before."""
        self._cursor = cursor
        self._newest = cursor
        self._open: OrderedDict[int, None] = OrderedDict()

    @property
    def newest(self) -> int:
        """The newest sequence that was taken or passed."""
        return self._newest

    @property
    def cursor(self) -> int:
        """Every fact up to here is done: who takes the partition over goes on from here."""
        return next(iter(self._open)) - 1 if self._open else self._newest

    def took(self, sequence: int) -> bool:
        """Work on a fact begins. False if it was taken already."""
        if sequence <= self._newest:
            return False
        self._newest = sequence
        self._open[sequence] = None
        return True

    def passed(self, sequence: int) -> None:
        """There is nothing to do up to here but what was taken."""
        self._newest = max(self._newest, sequence)

    def done(self, sequence: int) -> None:
        """Work on a fact has ended. Again: nothing happens."""
        self._open.pop(sequence, None)
