"""The attendant and the conversation that stands between it and the edge, joined in memory: whatever happens, in order.

Both are the real ones. What the stages, the caller, the carrier and the recorder do is drawn; each is allowed to fail,
to be late, or to say nothing at all until the end, when it answers.
"""

from collections import deque
from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from common.audio import Kind
from common.conversation import ToolTurn, Turn
from common.messages.commands import CutOver
from common.messages.facts import CallerSaid, InstructionsApplied, ServiceLevelChanged, TurnEnded, TurnStarted
from common.messages.instructions import Instructions
from common.pcmu import FRAME_BYTES, FRAME_MS, SILENCE
from fallback.attended_speech import CAPABILITIES
from fallback.core.ladder import Rung
from fallback.core.menu_vocabulary import DropRecording, KeepRecording, NoteChoice, StartRecording, Tick
from fallback.core.vocabulary import (
    Abandon,
    AskChat,
    ChatEnded,
    ChatSaid,
    Command,
    Emit,
    Event,
    KeepWish,
    Pressed,
    Record,
    RecordingLost,
    RecordingSaved,
    Sounded,
    SoundEnded,
    Speak,
    Stage,
    StageFailed,
    StagesChanged,
    ToolCall,
    Transcribe,
    Transcribed,
)
from talker import port
from talker.core import vocabulary as talker_words
from talker.core.caller_audio import CallerAudio
from talker.core.conversation import SpeechConversation
from talker.core.phase import Phase
from talker.core.subject import Patience, Subject
from unit.fallback.attending import AGENT, SPEECH, Attended

PATIENCE = Patience(answer_s=30.0, retries=0)


class Stages:
    """Work under way, each with what it will bring next."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.under_way: list[tuple[str, Stage, deque[Event]]] = []
        self.is_well = False
        """Nothing fails any more."""
        self.spoken: dict[bytes, str] = {}
        """Which answer each piece of speech was made for."""
        self.unwritten: set[str] = set()

    def begin(self, command: Transcribe | AskChat | Speak) -> None:
        match command:
            case Transcribe(item_id):
                text = "When do you open?" if self.is_well else self.chance.choice(("Hello.", "", "Any rooms?"))
                self.under_way.append((item_id, Stage.TRANSCRIPTION, deque([Transcribed(item_id, text)])))
                self.unwritten.add(item_id)
            case AskChat(answer_id):
                assert not self.unwritten, "all the caller has said is in words before it is answered"
                self.under_way.append((answer_id, Stage.CHAT, deque(self._answer(command))))
            case Speak(answer_id, number):
                sounds = [
                    Sounded(answer_id, number, self._voice(answer_id)) for _ in range(self.chance.randrange(1, 4))
                ]
                self.under_way.append((answer_id, Stage.SPEECH, deque([*sounds, SoundEnded(answer_id, number)])))

    def _voice(self, answer_id: str) -> bytes:
        pcmu = len(self.spoken).to_bytes(2, "big") * 400
        self.spoken[pcmu] = answer_id
        return pcmu

    def _answer(self, asked: AskChat) -> list[Event]:
        usage = port.Usage(input_text_tokens=5, output_text_tokens=5)
        kind = self.chance.randrange(4 if asked.tools and not self.is_well else 2)
        texts = ("One. ", "Two and", " a half. ") if kind % 2 else ("Yes.",)
        said: list[Event] = [ChatSaid(asked.answer_id, text) for text in texts]
        tools = tuple(ToolCall("0", self.chance.choice(("list_rooms", "book", "rm")), "{}") for _ in range(kind - 1))
        return [*(said if kind != 2 else ()), ChatEnded(asked.answer_id, tools, usage)]

    def abandon(self, work_id: str) -> None:
        """Late pieces may still come: some work does not stop at once."""
        self.unwritten.discard(work_id)
        if self.chance.random() < 0.7:
            self.under_way = [each for each in self.under_way if each[0] != work_id]

    def bring(self) -> Event | None:
        """The next piece of anything, or a failure."""
        if not self.under_way:
            return None
        at = self.chance.randrange(len(self.under_way))
        work_id, stage, pieces = self.under_way[at]
        self.unwritten.discard(work_id)
        if not self.is_well and self.chance.random() < 0.2:
            del self.under_way[at]
            return StageFailed(stage, work_id, is_throttled=self.chance.random() < 0.3)
        piece = pieces.popleft()
        if not pieces:
            del self.under_way[at]
        return piece


class Joined:
    """One call."""

    def __init__(self, seed: int, *, is_new: bool, begins_at: Rung) -> None:
        self.chance = Random(seed)
        self.attended = Attended(answers_by_itself=is_new, begins_at=begins_at)
        self.audio = CallerAudio(self.now)
        subject = Subject(
            "call-1",
            1,
            "m",
            AGENT,
            CAPABILITIES.supports_truncate,
            answers_tool_results=CAPABILITIES.answers_tool_results,
            service_level=begins_at.value,
        )
        self.talker = SpeechConversation(subject, self.audio, PATIENCE, self.now)
        self.stages = Stages(self.chance)
        self.queue: deque[port.SpeechEvent] = deque()
        self.later: list[Callable[[], None]] = []
        self.is_recorder_owed = False
        self.open_responses: set[str] = set()
        self.all_responses: set[str] = set()
        self.cut_items: set[str] = set()
        self.open_items: set[str] = set()
        self.item = ""
        self.voiced_at = self.now
        self.level = begins_at.value
        self.facts: dict[str, list[str]] = {}
        self.is_parted = False
        self.applied = 0
        cut = CutOver(is_granted=True, service_level=0) if is_new else self._running()
        self.tell(talker_words.BecameTalker(cut, answers_by_itself=is_new))

    def _running(self) -> CutOver:
        said = Turn(speaker="caller", item_id="s1", text="Any rooms?", start_ms=0, end_ms=500)
        tool = ToolTurn(item_id="t1", tool_call_id="call_1", name="list_rooms", arguments="{}", start_ms=500)
        turns = (said, tool) if self.chance.random() < 0.3 else (said,)
        return CutOver(is_granted=True, service_level=0, leg_clock_ms=1_000, conversation=turns)

    @property
    def now(self) -> float:
        return self.attended.now

    # --- the attendant ------------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        self.do(self.attended.core.feed(event, self.now))

    def do(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            match command:
                case Emit(event):
                    self.check(event)
                    self.queue.append(event)
                case Transcribe() | AskChat() | Speak():
                    self.stages.begin(command)
                case Abandon(work_id):
                    self.stages.abandon(work_id)
                case StartRecording() | KeepRecording():
                    self.is_recorder_owed = isinstance(command, KeepRecording)
                case DropRecording():
                    self.is_recorder_owed = False
                case Record() | NoteChoice() | KeepWish():
                    pass

    def check(self, event: port.SpeechEvent) -> None:
        match event:
            case port.ResponseStarted(response_id):
                assert response_id not in self.all_responses
                assert not self.open_responses, "one answer at a time"
                self.all_responses.add(response_id)
                self.open_responses.add(response_id)
            case port.ResponseEnded(response_id):
                self.open_responses.remove(response_id)
            case port.AgentAudio(response_id, item_id) | port.AgentText(response_id, item_id):
                assert response_id in self.open_responses
                assert self.talker.phase not in (Phase.CANDIDATE, Phase.REPLAYING), "it is not yet known what was said"
                if isinstance(event, port.AgentAudio):
                    assert self.stages.spoken.get(event.pcmu, response_id) == response_id
                assert item_id not in self.cut_items
                self.open_items.add(item_id)
            case port.AgentAudioEnded(response_id, item_id):
                assert response_id in self.open_responses
                self.open_items.discard(item_id)
                self.cut_items.add(item_id)
            case port.Farewell():
                self.is_parted = True
            case port.CallerSpeechStarted() if self.attended.core.rung is Rung.PIPELINE:
                assert not self.open_responses, "who is spoken over is silent"

    # --- the conversation ---------------------------------------------------------------------------------------------

    def deliver(self) -> None:
        while self.queue:
            self.tell(self.queue.popleft())

    def tell(self, event: talker_words.Event) -> None:
        for command in self.talker.feed(event, self.now):
            match command:
                case talker_words.SendRecord(kind=Kind.AUDIO):
                    self.voiced_at = self.now
                case talker_words.ClearCarrier():
                    self.later.append(lambda clear=command: self.clear(clear))  # type: ignore[misc]
                case talker_words.RunTool(tool_call_id):
                    self.later.append(lambda name=tool_call_id: self.tell(talker_words.ToolAnswered(name, "[]")))  # type: ignore[misc]
                case talker_words.LetAudioThrough():
                    self.later.append(lambda: self.tell(talker_words.ReplayEnded()))
                case talker_words.WriteFact(fact):
                    self.note(fact)
                case talker_words.AskHandover():
                    assert not self.stages.is_well, "the ladder sees to it that the caller hears somebody"
                case (
                    port.Respond()
                    | port.CancelResponse()
                    | port.Truncate()
                    | port.DeleteItem()
                    | port.Configure()
                    | port.Instruct()
                    | port.AddTurn()
                    | port.AddToolCall()
                    | port.AddToolOutput()
                ):
                    self.feed(command)
                case talker_words.AskStanding():
                    self.tell(talker_words.StandingTold(True))
                case talker_words.End():
                    raise AssertionError("nobody ends this call")

    def clear(self, clear: talker_words.ClearCarrier) -> None:
        items = [*self.cut_items, *self.open_items, None]
        if self.chance.random() < 0.1:
            self.tell(talker_words.ClearLost(clear))
        else:
            item_id = self.chance.choice(sorted(items, key=str))
            self.tell(talker_words.CarrierCleared(clear, item_id, self.chance.randrange(3_000), "Yes"))

    def note(self, fact: object) -> None:
        match fact:
            case TurnStarted(item_id=item_id):
                assert item_id
                assert item_id not in self.facts
                self.facts[item_id] = ["began"]
            case TurnEnded(item_id=item_id):
                assert self.facts[item_id] == ["began"]
                self.facts[item_id].append("ended")
            case CallerSaid(item_id=item_id):
                assert self.facts[item_id] == ["began", "ended"]
                self.facts[item_id].append("said")
            case InstructionsApplied(revision=revision):
                assert revision > self.applied
                self.applied = revision
            case ServiceLevelChanged(level=level, before=before):
                assert level != before
                self.level = level

    # --- what happens -------------------------------------------------------------------------------------------------

    def hear(self, kind: bytes, ms: int) -> None:
        for _ in range(ms // FRAME_MS):
            at_ms = self.audio.clock.leg_ms
            self.audio.repeated(at_ms, FRAME_BYTES, self.now)
            self.do(self.attended.core.hear(kind * FRAME_BYTES, self.now))
            self.audio.clock.sent(at_ms, FRAME_BYTES)
            self.attended.now += FRAME_MS / 1_000
            self.tick()
            self.deliver()

    def tick(self) -> None:
        if self.attended.core.next_deadline() <= self.now:
            self.feed(Tick())
            assert self.attended.core.next_deadline() > self.now
        if self.talker.next_deadline() <= self.now:
            self.tell(talker_words.Tick())

    def bring(self) -> None:
        if (piece := self.stages.bring()) is not None:
            self.feed(piece)

    def answer_later(self) -> None:
        if self.later:
            self.later.pop(self.chance.randrange(len(self.later)))()

    def record(self) -> None:
        """A recorder may fail at any time, and says what became of a message when it is asked to keep it."""
        if self.is_recorder_owed and self.chance.random() < 0.7:
            self.feed(RecordingSaved("m1", 100))
        elif self.is_recorder_owed or self.chance.random() < 0.2:
            self.feed(RecordingLost())
        self.is_recorder_owed = False

    def cancel(self) -> None:
        if self.open_responses:
            self.feed(port.CancelResponse(min(self.open_responses)))

    def adopt(self) -> None:
        known = frozenset(item for item in self.cut_items if self.chance.random() < 0.5)
        self.tell(talker_words.WasAdopted(2, known, self.now - self.chance.random()))

    def instruct(self) -> None:
        told = Instructions(
            call_id="call-1",
            revision=self.chance.randrange(1, 12),
            instructions=self.chance.choice(["Be kind.", "Be brief."]),
            tools=AGENT.tools,
            urgency=self.chance.choice(["between_responses", "at_once"]),
            asks_for_answer=self.chance.random() < 0.3,
        )
        self.tell(talker_words.Instructed(told))

    def step(self, name: str) -> None:
        match name:
            case "speak":
                self.hear(SPEECH, self.chance.randrange(40, 1_500))
            case "ask":
                self.hear(SPEECH, 300)
                self.hear(SILENCE, 700)
            case "hush":
                self.hear(SILENCE, self.chance.randrange(20, 1_500))
            case "wait":
                self.hear(SILENCE, self.chance.randrange(2_000, 12_000))
            case "bring":
                self.bring()
            case "later":
                self.answer_later()
            case "keys":
                self.feed(Pressed(self.chance.choice("1234#*9")))
            case "record":
                self.record()
            case "stages":
                self.feed(StagesChanged(self.chance.random() < 0.6, is_throttled=self.chance.random() < 0.3))
            case "cancel":
                self.cancel()
            case "adopt":
                self.adopt()
            case "instruct":
                self.instruct()
        if self.chance.random() < 0.7:
            self.deliver()

    def settle(self) -> None:
        """Everybody does what was asked of them, within their time."""
        self.stages.is_well = True
        for _ in range(400):
            if not (self.stages.under_way or self.later or self.queue or self.is_recorder_owed):
                return
            if self.is_recorder_owed:
                self.record()
            self.bring()
            self.answer_later()
            self.deliver()
        raise AssertionError("work without an end")


OFTEN = ("ask", "ask", "bring", "bring", "bring", "bring", "speak", "later", "later", "hush")
NOW_AND_THEN = ("wait", "keys", "record", "stages", "cancel", "adopt", "instruct")
STEPS = st.lists(st.sampled_from(OFTEN + NOW_AND_THEN), max_size=60) | st.lists(
    st.sampled_from(OFTEN), min_size=20, max_size=60
)


def lived(seed: int, is_new: bool, begins_at: Rung, steps: list[str]) -> Joined:
    """A call to which these things happened, and which is well now."""
    call = Joined(seed, is_new=is_new, begins_at=begins_at)
    for step in steps:
        call.step(step)
    call.settle()
    return call


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(Rung), STEPS)
@settings(max_examples=150)
def test_whatever_happens_every_answer_ends_and_the_facts_make_sense(
    seed: int, is_new: bool, begins_at: Rung, steps: list[str]
) -> None:
    call = lived(seed, is_new, begins_at, steps)
    call.hear(SILENCE, 3_000)
    call.settle()
    call.hear(SILENCE, 3_000)
    call.settle()
    assert call.open_responses == set()
    assert all("ended" in seen for item_id, seen in call.facts.items() if not item_id.startswith("message"))
    assert call.level == call.attended.core.rung.value


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(Rung), STEPS)
@settings(max_examples=150)
def test_whoever_has_spoken_is_answered(seed: int, is_new: bool, begins_at: Rung, steps: list[str]) -> None:
    """After any history, once stages do what they are asked. In the menu, which speaks again and again, by that."""
    call = lived(seed, is_new, begins_at, steps)
    call.hear(SILENCE, 2_000)
    call.settle()
    if call.attended.core.rung is Rung.MENU:
        call.feed(StagesChanged(are_up=False))
    began = call.now
    call.hear(SPEECH, 500)
    call.hear(SILENCE, 700)
    call.settle()
    while call.attended.core.rung is Rung.MENU and call.now < began + 40:
        call.hear(SILENCE, 1_000)
        call.settle()
    assert call.voiced_at >= began or call.is_parted


@given(st.integers(0, 2**32), STEPS, st.integers(0, 8))
@settings(max_examples=150)
def test_who_speaks_over_an_answer_hears_no_more_of_it(seed: int, steps: list[str], pieces: int) -> None:
    """Until the turn is over; whatever the stages still bring."""
    call = lived(seed, True, Rung.PIPELINE, steps)
    call.hear(SILENCE, 2_000)
    call.settle()
    if call.attended.core.rung is Rung.MENU:
        return
    call.hear(SPEECH, 500)
    call.hear(SILENCE, 700)
    for _ in range(pieces):
        call.bring()
        call.deliver()
    call.hear(SPEECH, 200)
    call.attended.now += 0.001
    began = call.now
    call.settle()
    assert call.voiced_at < began
    assert call.open_responses == set()
