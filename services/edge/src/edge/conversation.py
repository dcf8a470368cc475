"""What this edge knows of a call it carries: the conversation, and what the record will say."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from common.conversation import AnyTurn, Conversation, ToolTurn, Turn, encoded_bytes, newest
from common.messages.commands import CutOver
from common.messages.facts import (
    AgentSaid,
    AnyFact,
    BargedIn,
    CallerSaid,
    CallStarted,
    EpochChanged,
    ServiceLevelChanged,
    ToolCalled,
    ToolReturned,
    TransferBegun,
    TransferFailed,
    TurnEnded,
    TurnStarted,
    UsageReported,
)
from common.messages.instructions import Instructions

_MOST_BYTES: Final = 160_000
"""Of the conversation in one message, which also holds up to 64 KiB of instructions; NATS takes 256 KiB. An hour of
talk has about 150,000."""


def failed_id(begun_id: str) -> str:
    """The id of the fact that a transfer came to nothing: one, whoever of several edges tells it."""
    return f"failed-{begun_id}"


@dataclass
class CallMemory:
    """Fed with every fact of one call, our own and those of talkers; each counts once."""

    conversation: Conversation = field(default_factory=Conversation)
    instructions: Instructions | None = None
    """The newest revision, if there ever was one."""
    started: CallStarted | None = None
    """How the call began."""
    latest_ms: int = 0
    """The latest moment of the call any fact tells of."""
    service_level: int = 0
    """The newest that any fact tells of (`design.md` section 8)."""
    transfer: TransferBegun | None = None
    """The transfer that is under way: nobody has told how it went."""
    _unreached: TransferFailed | None = None
    _levels: list[ServiceLevelChanged] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _epochs: list[dict[str, Any]] = field(default_factory=list)
    _barge_ins: list[dict[str, int]] = field(default_factory=list)
    _response_ms: list[int] = field(default_factory=list)
    _usage: dict[str, int] = field(default_factory=dict)
    _heard_ms: dict[str, int] = field(default_factory=dict)

    def add(self, fact: AnyFact) -> bool:
        """Take one fact; False if it was known, it is ignored then."""
        if fact.fact_id in self._seen:
            return False
        self._seen.add(fact.fact_id)
        self.latest_ms = max(self.latest_ms, _latest_ms(fact))
        match fact:
            case CallStarted():
                self.started = self.started or fact
            case CallerSaid():
                self._turn("caller", fact)
            case AgentSaid():
                self._heard_ms[fact.item_id] = fact.heard_ms
                if fact.heard_ms:
                    self._turn("agent", fact)
                    self._agent_spoke(fact)
            case ToolCalled():
                self.conversation.tool_called(
                    ToolTurn(start_ms=fact.at_ms, **fact.model_dump(include={*ToolTurn.model_fields}))
                )
            case ToolReturned():
                self.conversation.tool_returned(fact.tool_call_id, fact.output)
            case EpochChanged():
                self._epochs.append(
                    fact.model_dump(include={"epoch", "talker_id", "reason", "at_ms", "ready_after_ms"})
                )
            case ServiceLevelChanged():
                self._levels = sorted((*self._levels, fact), key=lambda each: (each.epoch, each.at_ms))
                self.service_level = self._levels[-1].level
            case TransferBegun(fact_id=fact_id) if failed_id(fact_id) not in self._seen:
                self.transfer, self._unreached = fact, None
            case TransferFailed():
                self.transfer, self._unreached = None, fact
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
        return True

    def instruct(self, instructions: Instructions) -> None:
        """Take a revision of the instructions; older ones than ours are late."""
        if self.instructions is None or instructions.revision > self.instructions.revision:
            self.instructions = instructions

    def _agent_spoke(self, fact: AgentSaid) -> None:
        if self._unreached is not None and fact.start_ms >= self._unreached.at_ms:
            self._unreached = None

    @property
    def human_unreached(self) -> bool:
        """True if a transfer came to nothing, and the caller has heard nothing of the agent since."""
        return self._unreached is not None

    @property
    def heard_items(self) -> tuple[str, ...]:
        """The agent turns that are known as heard, the newest last."""
        return tuple(self._heard_ms)

    def cut(self, under_way: Sequence[Turn], leg_clock_ms: int) -> CutOver:
        """What a new talker has to know. `under_way`: turns that still play, as they will have been heard."""
        known: dict[str, AnyTurn] = {turn.item_id: turn for turn in (*self.conversation.everything, *under_way)}
        turns, omitted = newest(sorted(known.values(), key=lambda turn: turn.start_ms), _MOST_BYTES, encoded_bytes)
        return CutOver(
            is_granted=True,
            leg_clock_ms=leg_clock_ms,
            conversation=turns,
            omitted_turns=omitted,
            instructions=self.instructions,
            service_level=self.service_level,
            falls=sum(each.before == 0 for each in self._levels),
            human_unreached=self.human_unreached,
        )

    def record(self) -> dict[str, Any]:
        """The conversation's part of the call record."""
        return {
            "turns": [
                {**turn.model_dump(exclude={"kind"}), "heard_ms": self._heard_ms.get(turn.item_id)}
                for turn in self.conversation.turns
            ],
            "epochs": self._epochs,
            "levels": [each.model_dump(include={"level", "before", "cause", "at_ms"}) for each in self._levels],
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
                is_unfinished=isinstance(fact, AgentSaid) and fact.is_unfinished,
            )
        )


def _latest_ms(fact: AnyFact) -> int:
    match fact:
        case CallerSaid() | AgentSaid() | TurnEnded():
            return max(fact.at_ms, fact.end_ms)
        case _:
            return fact.at_ms
