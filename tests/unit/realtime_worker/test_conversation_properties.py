"""Whatever order the provider's events come in, the conversation holds its promises."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from common.agents import ToolGrant
from common.audio import MAX_PAYLOAD_BYTES, Kind, encode
from common.conversation import ToolTurn, Turn
from common.messages.commands import CutOver
from common.messages.facts import InstructionsApplied, ToolReturned
from common.messages.instructions import Instructions
from common.messages.tools import HangUpOrder, SendDigitsOrder, TransferOrder
from common.profile import AgentProfile, SemanticVad, ServerVad, TurnDetection
from talker import port
from talker.core.caller_audio import CallerAudio
from talker.core.conversation import SpeechConversation
from talker.core.floor import Floor
from talker.core.phase import Phase
from talker.core.subject import Patience, Subject
from talker.core.vocabulary import (
    AskHandover,
    BecameTalker,
    CarrierCleared,
    ClearCarrier,
    ClearLost,
    Event,
    Instructed,
    ReplayEnded,
    RunTool,
    SendRecord,
    StandingTold,
    Tick,
    ToolAnswered,
    ToolWaits,
    WasAdopted,
    WriteFact,
)
from talker.port import AddToolOutput, DeleteItem, ProviderError, Respond, Severity, Truncate

RESPONSES = st.sampled_from(["r1", "r2", "r3"])
ITEMS = st.sampled_from(["a1", "a2", "a3"])
TURNS = st.sampled_from(["c1", "c2", "a1"])
POSITIONS = st.integers(0, 20_000)
ERRORS = st.builds(ProviderError, st.sampled_from(["other", "server_error"]), st.sampled_from(Severity), st.booleans())
TOOL_CALLS = st.sampled_from(["call_1", "call_2", "call_3"])
WANTED = st.builds(
    port.ToolWanted,
    RESPONSES,
    st.just("t1"),
    TOOL_CALLS,
    st.sampled_from(["list_tasks", "nobody_knows"]),
    st.sampled_from(["{}", "x" * 17_000]),
)
SPEECH = st.one_of(
    st.builds(port.AgentAudio, RESPONSES, ITEMS, st.integers(0, 70_000).map(bytes)),
    st.builds(port.AgentText, RESPONSES, ITEMS, st.text(max_size=8)),
    st.builds(port.AgentAudioEnded, RESPONSES, ITEMS),
    st.builds(port.ResponseStarted, RESPONSES),
    st.builds(
        port.ResponseEnded,
        RESPONSES,
        st.sampled_from(["completed", "cancelled", "failed", "incomplete"]),
        st.none() | ERRORS,
        st.none() | st.just(port.Usage(1, 2, 1, 1, 3, 4)),
        st.lists(WANTED, max_size=2).map(tuple),
    ),
    WANTED,
    st.builds(port.CallerSpeechStarted, TURNS, POSITIONS),
    st.builds(port.CallerSpeechStopped, TURNS, POSITIONS),
    st.builds(port.CallerTranscribed, TURNS, st.text(max_size=8)),
    st.builds(port.ErrorReported, ERRORS, st.sampled_from([None, "truncate", "delete", "respond", "instruct"])),
    st.builds(port.GarbageReceived, st.sampled_from(["malformed", "binary", "oversized", "unknown_type"])),
    st.builds(port.SessionClosed, ERRORS, st.just(1006)),
    st.just(port.SessionConfigured()),
    st.just(port.SessionOpened("s")),
)
LIST_TASKS = ToolGrant(name="list_tasks", description="The tasks there are.")
AGENT = AgentProfile(name="desk", greeting="Hello.", instructions="Be kind.", tools=(LIST_TASKS,))
REVISIONS = st.builds(
    Instructions,
    call_id=st.just("call-1"),
    revision=st.integers(1, 9),
    instructions=st.sampled_from(["Be kind.", "Be brief."]),
    tools=st.sampled_from([(), (LIST_TASKS,)]),
    urgency=st.sampled_from(["between_responses", "at_once"]),
    asks_for_answer=st.booleans(),
)
ORDERS = st.sampled_from([None, HangUpOrder(), TransferOrder(to="front-desk"), SendDigitsOrder(digits="12")])
SAID = st.builds(
    Turn,
    speaker=st.sampled_from(["caller", "agent"]),
    item_id=st.sampled_from(["s1", "s2", "s3"]),
    text=st.text(max_size=6),
    start_ms=st.integers(0, 9_000),
    end_ms=st.integers(0, 9_000),
    is_unfinished=st.booleans(),
)
DONE = st.builds(
    ToolTurn,
    item_id=st.just("t1"),
    tool_call_id=st.just("call_1"),
    name=st.just("list_tasks"),
    arguments=st.just("{}"),
    start_ms=st.integers(0, 9_000),
    output=st.none() | st.just("[]"),
)
CUTS = st.builds(
    BecameTalker,
    st.builds(
        CutOver,
        is_granted=st.just(True),
        leg_clock_ms=st.integers(0, 9_000),
        conversation=st.lists(SAID | DONE, max_size=4).map(tuple),
        omitted_turns=st.integers(0, 2),
        instructions=st.none() | REVISIONS,
    ),
    st.booleans(),
)
LOCAL = st.one_of(
    st.just(Tick()),
    st.builds(Instructed, REVISIONS),
    st.builds(ToolAnswered, TOOL_CALLS, st.text(max_size=8), st.booleans(), ORDERS),
    st.builds(ToolWaits, TOOL_CALLS, st.sampled_from([None, "", "One moment."])),
    CUTS,
    st.just(ReplayEnded()),
    st.builds(WasAdopted, st.integers(2, 9), st.frozensets(ITEMS), st.floats(0, 10)),
    st.builds(StandingTold, st.sampled_from([None, True])),
    st.tuples(st.sampled_from(["a1", "a2", "a3", "zz", None]), st.integers(-50, 100_000)),
    st.just("clear lost"),
    st.integers(0, 60).map(lambda frames: frames * 20),
)
DETECTION = st.sampled_from((ServerVad(), SemanticVad()))


class Checked:
    """A conversation, and what must hold of everything it asks for."""

    def __init__(self, detection: TurnDetection) -> None:
        self.now = 0.0
        self.audio = CallerAudio(0.0)
        agent = AGENT.model_copy(update={"turn_detection": detection})
        self.core = SpeechConversation(Subject("call-1", 1, "m", agent), self.audio, Patience(), 0.0)
        self.sequence = 0
        self.sent_bytes: defaultdict[str, int] = defaultdict(int)
        self.kept_ms: dict[str, int] = {}
        self.ended: set[str] = set()
        self.item = ""
        self.clears: list[ClearCarrier] = []
        self.asked = 0
        self.responds = 0
        self.applied = 0
        self.running: set[str] = set()

    def do(self, step: object) -> None:
        match step:
            case int():
                for _ in range(step // 20):
                    at_ms = self.audio.clock.leg_ms + (step % 7) * 20
                    self.audio.repeated(at_ms, 160, self.now)
                    self.audio.clock.sent(at_ms, 160)
                self.now += step / 1000
            case (str() | None as item_id, int() as heard_ms):
                if self.clears:
                    self.feed(CarrierCleared(self.clears.pop(), item_id, heard_ms))
            case "clear lost":
                if self.clears:
                    self.feed(ClearLost(self.clears.pop()))
            case _:
                self.feed(step)  # type: ignore[arg-type]

    def feed(self, event: Event) -> None:
        before = self.core.phase
        recent = event.item_id if isinstance(event, (port.AgentAudio, port.AgentText)) else ""
        responds = self.responds
        for command in self.core.feed(event, self.now):
            match command:
                case SendRecord():
                    recent = command.payload.decode() if command.kind is Kind.ITEM else recent
                    self.check_record(command, recent)
                case Truncate(item_id, heard_ms):
                    assert 0 < heard_ms <= self.sent_bytes[item_id] // 8
                    assert heard_ms < self.kept_ms.get(item_id, heard_ms + 1)
                    self.kept_ms[item_id] = heard_ms
                case DeleteItem(item_id):
                    assert self.kept_ms.get(item_id, 1) > 0
                    self.kept_ms[item_id] = 0
                case ClearCarrier():
                    assert command.through_sequence == self.sequence
                    self.clears.append(command)
                case AskHandover():
                    self.asked += 1
                case WriteFact(InstructionsApplied(revision=revision)):
                    assert revision > self.applied
                    self.applied = revision
                case RunTool(tool_call_id):
                    assert tool_call_id not in self.running
                    self.running.add(tool_call_id)
                case WriteFact(ToolReturned(tool_call_id=tool_call_id)):
                    assert tool_call_id in self.running
                case AddToolOutput(tool_call_id):
                    self.running.discard(tool_call_id)
                case Respond():
                    self.responds += 1
                    assert self.core.phase is not Phase.REPLAYING
                    assert before is Phase.TALKING or not isinstance(event, Tick)
                    assert self.core.floor is not Floor.CALLER or isinstance(event, BecameTalker)
        assert self.responds <= responds + 1
        assert self.core.next_deadline() > self.now or isinstance(event, Tick) is False

    def check_record(self, record: SendRecord, item_id: str) -> None:
        assert record.sequence == self.sequence + 1
        self.sequence = record.sequence
        assert len(record.payload) <= MAX_PAYLOAD_BYTES
        encode([(1, 1, record.sequence, record.timestamp_ms, int(record.kind), record.payload)])
        if record.kind is Kind.ITEM:
            assert record.payload.decode() not in self.sent_bytes
            self.sent_bytes[record.payload.decode()] = 0
        elif record.kind is Kind.ITEM_END:
            assert record.payload.decode() not in self.ended
            assert record.timestamp_ms == self.sent_bytes[record.payload.decode()] // 8
            self.ended.add(record.payload.decode())
        elif record.kind is Kind.AUDIO:
            assert item_id not in self.ended
            assert record.timestamp_ms == self.sent_bytes[item_id] // 8
            self.sent_bytes[item_id] += len(record.payload)


@given(DETECTION, st.lists(SPEECH | LOCAL, max_size=60))
@settings(max_examples=300)
def test_any_order_of_events_keeps_every_promise(detection: TurnDetection, steps: list[object]) -> None:
    checked = Checked(detection)
    for step in steps:
        checked.do(step)


@given(CUTS, st.lists(SPEECH | LOCAL, max_size=30))
@settings(max_examples=200)
def test_a_talker_that_settles_asks_for_one_answer_at_most(cut: BecameTalker, steps: list[object]) -> None:
    """In whatever order things come while the call is told, replayed and confirmed."""
    checked = Checked(ServerVad())
    checked.do(cut)
    while checked.core.phase in (Phase.REPLAYING, Phase.SETTLING):
        checked.do(steps.pop() if steps else ReplayEnded())
        if not steps:
            checked.do(port.SessionConfigured())
    assert checked.responds <= 1


@given(st.lists(SPEECH, max_size=40))
@settings(max_examples=150)
def test_a_caller_who_waits_is_never_forgotten(steps: list[object]) -> None:
    """After any history: a turn that gets no voice has asked for another talker within the patience."""
    checked = Checked(ServerVad())
    checked.do(BecameTalker(CutOver(is_granted=True), answers_by_itself=True))
    for step in steps:
        checked.do(step)
    checked.do(port.CallerSpeechStarted("cx", 0))
    checked.do(port.CallerSpeechStopped("cx", 0))
    for _ in range(60):
        checked.do(100)
        checked.do(Tick())
    assert checked.asked >= 1
