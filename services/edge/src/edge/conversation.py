"""What this edge knows of a call it carries: the conversation, and what the record will say."""

from dataclasses import dataclass, field
from typing import Any

from common.conversation import Conversation, Turn
from common.messages.facts import (
    AgentSaid,
    AnyFact,
    BargedIn,
    CallerSaid,
    EpochChanged,
    TurnStarted,
    UsageReported,
)


@dataclass
class CallMemory:
    """Fed with every fact of one call, our own and those of talkers; each counts once."""

    conversation: Conversation = field(default_factory=Conversation)
    _seen: set[str] = field(default_factory=set)
    _epochs: list[dict[str, Any]] = field(default_factory=list)
    _barge_ins: list[dict[str, int]] = field(default_factory=list)
    _response_ms: list[int] = field(default_factory=list)
    _usage: dict[str, int] = field(default_factory=dict)
    _heard_ms: dict[str, int] = field(default_factory=dict)

    def add(self, fact: AnyFact) -> None:
        """Take one fact; a second time it is ignored."""
        if fact.fact_id in self._seen:
            return
        self._seen.add(fact.fact_id)
        match fact:
            case CallerSaid():
                self._turn("caller", fact)
            case AgentSaid():
                self._heard_ms[fact.item_id] = fact.heard_ms
                if fact.heard_ms:
                    self._turn("agent", fact)
            case EpochChanged():
                self._epochs.append(
                    fact.model_dump(include={"epoch", "talker_id", "reason", "at_ms", "ready_after_ms"})
                )
            case BargedIn():
                self._barge_ins.append({"onset_ms": fact.onset_ms, "heard_ms": fact.heard_ms})
            case TurnStarted(response_ms=int() as response_ms):
                self._response_ms.append(response_ms)
            case UsageReported():
                for name, value in fact.model_dump().items():
                    if name.endswith("_tokens"):
                        self._usage[name] = self._usage.get(name, 0) + value
            case _:
                pass

    def record(self) -> dict[str, Any]:
        """The conversation's part of the call record."""
        return {
            "turns": [
                {**turn.model_dump(), "heard_ms": self._heard_ms.get(turn.item_id)} for turn in self.conversation.turns
            ],
            "epochs": self._epochs,
            "barge_ins": self._barge_ins,
            "response_ms": self._response_ms,
            "usage": self._usage,
        }

    def _turn(self, speaker: str, fact: CallerSaid | AgentSaid) -> None:
        self.conversation.add(
            Turn(
                speaker="caller" if speaker == "caller" else "agent",
                item_id=fact.item_id,
                text=fact.text,
                start_ms=fact.start_ms,
                end_ms=fact.end_ms,
                is_interrupted=isinstance(fact, AgentSaid) and fact.is_interrupted,
            )
        )
