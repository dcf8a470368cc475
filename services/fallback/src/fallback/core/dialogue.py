"""The turn-based conversation of one call: caller turns become words, words become answers, answers become speech."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, assert_never

from common.agents import ToolGrant
from common.profile import AgentProfile
from common.prompt_names import Prompt
from fallback.core.answer import Answer, Begin, Close, Sound
from fallback.core.hearing import CallerBegan, CallerEnded
from fallback.core.memory import Memory
from fallback.core.prompt_voice import PromptVoice
from fallback.core.vocabulary import (
    Abandon,
    AskChat,
    ChatEnded,
    ChatSaid,
    Command,
    Emit,
    PipelineEvent,
    Sounded,
    SoundEnded,
    ToolCall,
    Transcribe,
    Transcribed,
)
from talker.core.revisions import described
from talker.port import (
    AddToolCall,
    AddToolOutput,
    AddTurn,
    AgentAudio,
    AgentAudioEnded,
    AgentText,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    CancelResponse,
    CheckAlive,
    Configure,
    DeleteItem,
    Instruct,
    Respond,
    ResponseEnded,
    ResponseStarted,
    ResponseStatus,
    SessionConfigured,
    SpeechCommand,
    ToolWanted,
    Truncate,
)

FILL_AFTER_S: Final = 1.2
"""A caller who waits longer for the agent's voice hears a word of patience."""
ROUNDS_AT_MOST: Final = 6
"""Rounds of tools in one answer; a model that still wants more is told that there are none."""
SPOKEN: Final = (
    "You are on the telephone: your words are read out aloud. Answer in plain sentences, briefly, without lists, "
    "headings, emphasis or links."
)
NO_SUCH_TOOL: Final = '{"error": "there is no such tool"}'
NEVER: Final = float("inf")
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What the API takes back as a tool's name."""


class Dialogue:
    """`feed` it what happens; ask `next_deadline` when to `tick`. One answer at a time, the caller always first."""

    def __init__(
        self, profile: AgentProfile, voice: PromptVoice, new_id: Callable[[str], str], *, answers_by_itself: bool
    ) -> None:
        """`answers_by_itself`: False until a running call has been told."""
        self._profile = profile
        self._voice = voice
        self._new_id = new_id
        self._memory = Memory()
        self._answers_by_itself = answers_by_itself
        self._turn_id = ""
        self._unwritten: set[str] = set()
        """Caller turns that are being put into words."""
        self._respond_later: Respond | None = None
        self._answer: Answer | None = None
        self._fill_at = NEVER
        self._has_filled = False
        """The caller has been asked for patience since the last turn."""

    @property
    def is_settled(self) -> bool:
        """True unless a running call is still being told."""
        return self._answers_by_itself

    def next_deadline(self) -> float:
        """When to `tick`."""
        return self._fill_at

    # --- from the call --------------------------------------------------------------------------------------------

    def told(self, command: SpeechCommand, now: float) -> tuple[Command, ...]:
        """A command of the call's session."""
        match command:
            case Configure(profile, answers_by_itself):
                self._profile, self._answers_by_itself = profile, answers_by_itself
                return (Emit(SessionConfigured()),)
            case Instruct():
                return self._instruct(command)
            case Respond():
                return self._respond(command, now)
            case CancelResponse(response_id):
                return self._cancel() if self._answer and self._answer.answer_id == response_id else ()
            case AddToolOutput(tool_call_id, output, item_id):
                return self._tool_answered(tool_call_id, output, item_id)
            case AddTurn() | AddToolCall() | Truncate() | DeleteItem():
                self._remember(command)
                return ()
            case CheckAlive():
                return ()
            case _:
                assert_never(command)

    def _instruct(self, told: Instruct) -> tuple[Command, ...]:
        """From the next question to the model on."""
        changes: dict[str, object] = {} if told.instructions is None else {"instructions": told.instructions}
        changes |= {} if told.tools is None else {"tools": told.tools}
        self._profile = self._profile.model_copy(update=changes)
        return (Emit(SessionConfigured()),)

    @property
    def _tools(self) -> tuple[ToolGrant, ...]:
        return described(self._profile.tools)

    def _remember(self, command: AddTurn | AddToolCall | Truncate | DeleteItem) -> None:
        match command:
            case AddTurn(speaker, text, item_id, after):
                self._memory.add_turn(speaker, text, item_id, after)
            case AddToolCall(tool_call_id, name, arguments, item_id):
                self._memory.call_tool(tool_call_id, name, arguments, item_id)
            case Truncate(item_id, heard_ms):
                self._memory.truncate(item_id, heard_ms)
            case DeleteItem(item_id):
                self._memory.delete(item_id)
            case _:
                assert_never(command)

    def overhear(self, commands: tuple[Command, ...]) -> tuple[Command, ...]:
        """The same commands, with what they say to and for the caller remembered: prompts, keys, a message."""
        for command in commands:
            if isinstance(command, Emit):
                self._memory.overhear(command.event)
        return commands

    # --- from the caller ------------------------------------------------------------------------------------------

    def caller_began(self, began: CallerBegan) -> tuple[Command, ...]:
        """The caller speaks: whatever was going to be said is not."""
        self._turn_id = self._new_id("turn")
        self._respond_later = None
        return (*self._cancel(), Emit(CallerSpeechStarted(self._turn_id, began.audio_ms)))

    def caller_ended(self, ended: CallerEnded, now: float) -> tuple[Command, ...]:
        """The caller has spoken and waits."""
        turn_id, self._turn_id = self._turn_id, ""
        if not turn_id:
            return ()
        self._unwritten.add(turn_id)
        self._memory.add_turn("caller", "", turn_id, None)  # its place: words of a later turn may come first
        self._has_filled = False
        if self._answers_by_itself:
            self._respond_later = Respond()
            self._wait(now)
        return (Emit(CallerSpeechStopped(turn_id, ended.audio_ms)), Transcribe(turn_id, ended.pcmu))

    def leave(self, ended_ms: int) -> tuple[Command, ...]:
        """Somebody else has to talk: nothing of what is under way will be said. `ended_ms`: where a turn ends now."""
        stopped = (Emit(CallerSpeechStopped(self._turn_id, ended_ms)),) if self._turn_id else ()
        dropped = tuple(Abandon(turn_id) for turn_id in sorted(self._unwritten))
        self._unwritten.clear()
        self._turn_id, self._respond_later = "", None
        return (*self._cancel(), *stopped, *dropped)

    def resume(self, now: float) -> tuple[Command, ...]:
        """It is ours again to talk: answer what nobody has answered."""
        return self._respond(Respond(), now) if self._memory.has_question else ()

    # --- from the pipeline ----------------------------------------------------------------------------------------

    def is_about(self, work_id: str) -> bool:
        """True if this turn or answer is still wanted."""
        return work_id in self._unwritten or (self._answer is not None and self._answer.answer_id == work_id)

    def brought(self, event: PipelineEvent, now: float) -> tuple[Command, ...]:
        """What a stage has brought; of a turn or answer nobody waits for any more it is ignored."""
        if isinstance(event, Transcribed):
            return self._transcribed(event, now)
        answer = self._answer
        if answer is None or answer.answer_id != event.answer_id:
            return ()
        match event:
            case ChatSaid():
                answer.write(event)
            case ChatEnded():
                answer.written(event)
                if event.tools and answer.rounds < ROUNDS_AT_MOST:
                    return self._want(answer, event.tools)
                if answer.is_empty:
                    return (*self._say(Prompt.PARDON, answer), *self._go_on(answer))
            case Sounded() | SoundEnded():
                answer.hear(event)
            case _:
                assert_never(event)
        return self._go_on(answer)

    def _transcribed(self, event: Transcribed, now: float) -> tuple[Command, ...]:
        if event.item_id not in self._unwritten:
            return ()
        self._unwritten.discard(event.item_id)
        if event.text.strip():
            self._memory.add_turn("caller", event.text, event.item_id, None)
        told = Emit(CallerTranscribed(event.item_id, event.text))
        if self._turn_id or self._unwritten or self._respond_later is None:
            return (told,)
        if not self._memory.has_question and not self._respond_later.instructions:
            self._respond_later = None
            return (told, *self._beg_pardon())
        return (told, *self._respond(self._respond_later, now))

    def _beg_pardon(self) -> tuple[Command, ...]:
        """Somebody spoke and no words were made out."""
        answer = self._new_answer()
        answer.written(ChatEnded(answer.answer_id))
        return (Emit(ResponseStarted(answer.answer_id)), *self._say(Prompt.PARDON, answer), *self._go_on(answer))

    # --- answering ------------------------------------------------------------------------------------------------

    def _respond(self, request: Respond, now: float) -> tuple[Command, ...]:
        """Answer, once all the caller has said is in words. The caller may be speaking again: then not."""
        if self._turn_id:
            return ()
        if self._unwritten:
            self._respond_later = request
            self._wait(now)
            return ()
        self._respond_later = None
        fill_at = self._fill_at
        cancelled = self._cancel()
        self._fill_at = fill_at
        self._wait(now)
        answer = self._new_answer(request.instructions)
        begun = Emit(ResponseStarted(answer.answer_id))
        if request.words:
            answer.say(request.words)
            return (*cancelled, begun, *self._go_on(answer))
        return (*cancelled, begun, self._ask(answer))

    def _new_answer(self, instructions: str = "") -> Answer:
        self._answer = Answer(self._new_id("resp"), self._new_id("item"), instructions)
        return self._answer

    def _ask(self, answer: Answer) -> AskChat:
        answer.rounds += 1
        messages = self._memory.messages(f"{answer.instructions or self._profile.instructions}\n\n{SPOKEN}")
        tools = self._tools if answer.rounds < ROUNDS_AT_MOST else ()
        return AskChat(answer.answer_id, messages, tools)

    def _want(self, answer: Answer, tools: Sequence[ToolCall]) -> tuple[Command, ...]:
        """Have the tools run; the model is asked again when all have answered."""
        self._memory.expect(answer.item_id)
        answer.expect_more(self._new_id("item"))
        wanted = tuple(self._wanted(answer, tools))
        asked = () if answer.tools_due else (self._ask(answer),)
        return (*self._go_on(answer), *wanted, *asked)

    def _wanted(self, answer: Answer, tools: Sequence[ToolCall]) -> Iterator[Emit]:
        """Under an id of ours: some servers count each answer's calls from 0. Models also make tools up."""
        granted = {tool.name for tool in self._tools}
        for tool in tools:
            tool_call_id = self._new_id("call")
            if tool.name in granted:
                self._memory.call_tool(tool_call_id, tool.name, tool.arguments)
                answer.tools_due.add(tool_call_id)
                yield Emit(ToolWanted(answer.answer_id, tool_call_id, tool_call_id, tool.name, tool.arguments))
            elif _TOOL_NAME.fullmatch(tool.name):
                self._memory.call_tool(tool_call_id, tool.name, tool.arguments)
                self._memory.tool_answered(tool_call_id, NO_SUCH_TOOL)

    def _tool_answered(self, tool_call_id: str, output: str, item_id: str) -> tuple[Command, ...]:
        self._memory.tool_answered(tool_call_id, output, item_id)
        answer = self._answer
        if answer is None or tool_call_id not in answer.tools_due:
            return ()
        answer.tools_due.discard(tool_call_id)
        return () if answer.tools_due else (self._ask(answer),)

    def _go_on(self, answer: Answer) -> tuple[Command, ...]:
        """Let be heard what can be, have the next made into speech, end what is over."""
        heard = tuple(self._heard(answer))
        ended = (self._ended(answer, "completed"),) if answer.is_over else ()
        return (*heard, *answer.to_speak(), *ended)

    def _heard(self, answer: Answer) -> Iterator[Emit]:
        for each in answer.to_hear():
            self._fill_at = NEVER
            match each:
                case Begin(item_id, text):
                    self._memory.say(item_id, text)
                    yield Emit(AgentText(answer.answer_id, item_id, text))
                case Sound(item_id, pcmu):
                    self._memory.sound(item_id, len(pcmu))
                    yield Emit(AgentAudio(answer.answer_id, item_id, pcmu))
                case Close(item_id):
                    yield Emit(AgentAudioEnded(answer.answer_id, item_id))
                case _:
                    assert_never(each)

    def _ended(self, answer: Answer, status: ResponseStatus) -> Emit:
        """What is cut off has not ended: its items are not closed."""
        self._answer, self._fill_at = None, NEVER
        usage = answer.usage if answer.usage.input_text_tokens else None
        return Emit(ResponseEnded(answer.answer_id, status, usage=usage))

    def _cancel(self) -> tuple[Command, ...]:
        answer = self._answer
        if answer is None:
            self._fill_at = NEVER
            return ()
        return (Abandon(answer.answer_id), self._ended(answer, "cancelled"))

    def _say(self, name: Prompt, answer: Answer) -> tuple[Command, ...]:
        """A prompt within an answer, as an item of its own."""
        self._fill_at = NEVER
        return self.overhear(self._voice.say((name,), answer.answer_id))

    # --- time -----------------------------------------------------------------------------------------------------

    def _wait(self, now: float) -> None:
        """The caller waits from now on, or has waited already."""
        if self._fill_at == NEVER and not self._has_filled:
            self._fill_at = now + FILL_AFTER_S

    def tick(self, now: float) -> tuple[Command, ...]:
        """The caller has waited for a while: say so, once for each turn."""
        if now < self._fill_at:
            return ()
        self._fill_at, self._has_filled = NEVER, True
        if self._answer is not None:
            return self._voice.fill(Prompt.ONE_MOMENT, self._answer.answer_id)
        answer_id = self._new_id("resp")
        begun, ended = Emit(ResponseStarted(answer_id)), Emit(ResponseEnded(answer_id, "completed"))
        return (begun, *self._voice.fill(Prompt.ONE_MOMENT, answer_id), ended)
