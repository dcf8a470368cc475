"""What a tool has to know of its call, read from the stream of facts, so that any replica can decide."""

from collections import OrderedDict
from typing import Final

from common.bus.connection import Bus
from common.bus.history import facts_of
from common.messages.facts import CallStarted
from orchestrator.core.confirmation import Talk, talk_of
from orchestrator.core.phone_numbers import e164

_WITHIN_S: Final = 1.0
_REMEMBERED: Final = 1_000


class CallFacts:
    """Reads calls' facts. Nothing here raises: what cannot be read is not known."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._callers: OrderedDict[str, str] = OrderedDict()

    async def talk(self, call_id: str) -> tuple[Talk, bool]:
        """What was said and asked for, and whether that is all of it."""
        facts, is_complete = await facts_of(self._bus, call_id, _WITHIN_S)
        return talk_of(facts), is_complete

    async def caller_number(self, call_id: str, country: str) -> str:
        """The caller's number in E.164; empty: withheld, or not known at the moment."""
        if call_id not in self._callers:
            facts, _ = await facts_of(self._bus, call_id, _WITHIN_S)
            started = next((fact for fact in facts if isinstance(fact, CallStarted)), None)
            if started is None:
                return ""
            self._callers[call_id] = e164(started.caller_number, country) or ""
            if len(self._callers) > _REMEMBERED:
                self._callers.popitem(last=False)
        return self._callers[call_id]
