"""A conversation with a clock that a test moves, and calls that have come to a certain point."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from common.agents import ToolGrant
from common.messages.commands import CutOver
from common.messages.instructions import Instructions
from common.profile import AgentProfile, ServerVad
from talker import port
from talker.core.caller_audio import CallerAudio
from talker.core.conversation import SpeechConversation
from talker.core.seeding import greet
from talker.core.subject import Patience, Subject
from talker.core.vocabulary import BecameTalker, Command, Event, NoteBargeIn, Tick, WriteFact
from talker.port import ProviderError, Severity, ToolWanted


def about(value: float, give: float = 1e-6) -> Any:
    """`pytest.approx` where a float is declared."""
    return pytest.approx(value, abs=give)


OUTAGE = ProviderError("server_error", Severity.UNAVAILABLE)
NO_CREDIT = ProviderError("insufficient_quota", Severity.REJECTED, ends_session=True)
SECOND_OF_AUDIO = bytes(8_000)
AGENT = AgentProfile(
    name="desk",
    greeting="Hello.",
    instructions="Be kind.",
    turn_detection=ServerVad(prefix_padding_ms=300, silence_duration_ms=500),
)
GREETING = greet("Hello.")
LIST_TASKS = ToolGrant(name="list_tasks", description="The tasks there are.")
GET_TASK = ToolGrant(name="get_task", description="One task.")
NEW = BecameTalker(CutOver(is_granted=True), answers_by_itself=True)
STOPPED = NoteBargeIn(about(0.05))


def revision(number: int, instructions: str = "Be brief.", **fields: Any) -> Instructions:
    """A revision of the agent's instructions."""
    return Instructions(call_id="call-1", revision=number, instructions=instructions, **fields)


def wanted(response: str = "r2", tool_call: str = "t1", name: str = "list_tasks", arguments: str = "{}") -> ToolWanted:
    """The model asks for a tool."""
    return ToolWanted(response, f"item-{tool_call}", tool_call, name, arguments)


@dataclass
class Call:
    """A conversation with a clock that a test moves."""

    now: float = 100.0
    retire_at: float = float("inf")
    tools: tuple[ToolGrant, ...] = ()
    answers_tool_results: bool = False
    answers_checks: bool = False
    done: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.audio = CallerAudio(self.now)
        agent = AGENT.model_copy(update={"tools": self.tools}) if self.tools else AGENT
        subject = Subject(
            "call-1",
            3,
            "gpt-realtime-2.1",
            agent,
            answers_checks=self.answers_checks,
            answers_tool_results=self.answers_tool_results,
        )
        self.core = SpeechConversation(subject, self.audio, Patience(), self.now, self.retire_at)

    def feed(self, *events: Event, after_s: float = 0.0) -> list[Command]:
        """Feed events and keep what came of them."""
        self.now += after_s
        commands = [command for event in events for command in self.core.feed(event, self.now)]
        self.done += commands
        return commands

    def hear(self, ms: int) -> None:
        """Caller audio goes to the session; time passes with it."""
        for _ in range(ms // 20):
            self.audio.repeated(self.audio.clock.leg_ms, 160, self.now)
            self.audio.clock.sent(self.audio.clock.leg_ms, 160)
            self.now += 0.02

    def wait(self, seconds: float) -> list[Command]:
        """Let time pass, with a tick whenever one is asked for."""
        end, before = self.now + seconds, len(self.done)
        while (due := self.core.next_deadline()) <= end:
            self.now = max(self.now, due)
            self.hear(20)
            self.feed(Tick())
        self.now = end
        return self.done[before:]

    def say(self, response: str = "r1", item: str = "a1", pcmu: bytes = SECOND_OF_AUDIO) -> list[Command]:
        """The model speaks, in one piece."""
        return self.feed(port.ResponseStarted(response), port.AgentAudio(response, item, pcmu))

    def of(self, kind: type[Any]) -> list[Any]:
        return [command for command in self.done if isinstance(command, kind)]

    def facts(self, kind: type[Any]) -> list[Any]:
        return [command.fact for command in self.of(WriteFact) if isinstance(command.fact, kind)]


def talking(**changes: Any) -> Call:
    """A call whose greeting has been said by the model and, for all we know, still plays."""
    call = Call(**changes)
    call.feed(NEW)
    call.say("r1", "a1")
    call.feed(port.AgentAudioEnded("r1", "a1"), port.ResponseEnded("r1", "completed"))
    call.hear(2_000)
    return call


def asking(**changes: Any) -> Call:
    """A call whose caller has asked something and waits."""
    call = talking(**changes)
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    call.hear(1_000)
    call.feed(port.CallerSpeechStopped("c1", 2_900))
    call.done.clear()
    return call
