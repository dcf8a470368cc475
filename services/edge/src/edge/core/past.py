"""What a call was before its new stream came, put together from whoever knows something of it."""

from collections.abc import Iterable

from common.messages.facts import AnyFact, EpochChanged
from common.subjects import Pool
from edge.conversation import CallMemory
from edge.core.arbitration import Talker


class Past:
    """Fed with what the registry, an edge, talkers and facts tell; the highest epoch is the newest word."""

    def __init__(self) -> None:
        self.memory = CallMemory()
        self.last_epoch = 0
        self.talker: Talker | None = None
        self.has_everything = False
        """True once all facts are here."""
        self.home: Pool | None = None
        """Where the call belongs, if anybody wrote it down."""
        self._told: Talker | None = None
        self._in_facts: Talker | None = None

    @property
    def is_known(self) -> bool:
        """True if anybody knows of an earlier life of the call."""
        return self.last_epoch > 0 or self.memory.started is not None

    @property
    def is_sure(self) -> bool:
        """True if nothing newer can be learned: a living process named the talker that the last of all facts names."""
        return self.has_everything and self.talker is not None and self.talker == self._told == self._in_facts

    @property
    def started_at(self) -> str:
        """Wall clock of the call's start; empty if it is not known."""
        return self.memory.started.started_at if self.memory.started else ""

    @property
    def clock_ms(self) -> int:
        """How far the call's clock was, as far as the facts tell."""
        return self.memory.latest_ms

    def noted(self, epoch: int, talker_id: str) -> None:
        """Somebody wrote this down once."""
        self.last_epoch = max(self.last_epoch, epoch)
        if talker_id and (self.talker is None or epoch > self.talker.epoch):
            self.talker = Talker(talker_id, epoch)

    def told(self, epoch: int, talker_id: str) -> None:
        """The edge that had the call, or the talker that has it, says so now."""
        self.noted(epoch, talker_id)
        if talker_id and (self._told is None or epoch > self._told.epoch):
            self._told = Talker(talker_id, epoch)

    def add(self, facts: Iterable[AnyFact]) -> None:
        """Take facts of the call, in order."""
        for fact in facts:
            self.memory.add(fact)
            if isinstance(fact, EpochChanged):
                self.noted(fact.epoch, fact.talker_id)
                self._in_facts = Talker(fact.talker_id, fact.epoch)
