"""How many calls this worker carries, and which offers it takes."""

from typing import Literal

Refusal = Literal["full", "draining"]


class Slots:
    """The calls that hold a slot, each named by call and epoch."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.is_draining = False
        self._held: set[tuple[str, int]] = set()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def offered(self) -> int:
        """The capacity to announce: none while draining."""
        return 0 if self.is_draining else self.capacity

    def holds(self, call_id: str, epoch: int) -> bool:
        """True if this very offer was taken already: its answer was lost and it is asked again."""
        return (call_id, epoch) in self._held

    def take(self, call_id: str, epoch: int) -> Refusal | None:
        """Take a slot at once; the reason if there is none."""
        if self.is_draining:
            return "draining"
        if len(self._held) >= self.capacity:
            return "full"
        self._held.add((call_id, epoch))
        return None

    def rename(self, call_id: str, epoch: int, new_epoch: int) -> None:
        """The call goes on under another epoch, in the same slot."""
        self._held.discard((call_id, epoch))
        self._held.add((call_id, new_epoch))

    def free(self, call_id: str, epoch: int) -> None:
        """Give the slot back; twice does no harm."""
        self._held.discard((call_id, epoch))
