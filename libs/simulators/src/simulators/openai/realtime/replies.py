"""Which rule of the script answers, given the conversation."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulators.openai.realtime.conversation import Item
from simulators.openai.script import FALLBACK, Defaults, Rule, Script, When
from simulators.openai.voices import Voice, Voices, tone
from simulators.people.wording import is_said_in, wording


@dataclass(frozen=True, slots=True)
class Context:
    """What the model knows when it answers."""

    items: Sequence[Item]
    instructions: str
    model: str

    @property
    def caller_turns(self) -> list[Item]:
        """Turns of the caller, seeded ones included."""
        return [item for item in self.items if item.role == "user"]

    @property
    def returned_tool(self) -> str | None:
        """The tool whose result is the newest item; "" if its call is unknown."""
        newest = self.items[-1] if self.items else None
        if newest is None or newest.kind != "function_call_output":
            return None
        call_id = newest.body["call_id"]
        calls = (item for item in self.items if item.kind == "function_call" and item.body.get("call_id") == call_id)
        return next((str(call.body["name"]) for call in calls), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """What is going to be said and done, and how fast."""

    text: str
    voice: Voice | None
    tool: tuple[str, dict[str, object]] | None
    first_audio_s: float
    speed: float
    delta_ms: int


class Replies:
    """The script's rules as one session uses them up."""

    def __init__(self, script: Script, voices: Voices) -> None:
        self._script = script
        self._voices = voices
        self._used: Counter[int] = Counter()

    def recall(self, context: Context) -> None:
        """Count what the conversation holds already as used: for answers that are no part of a session."""
        for index, rule in enumerate(self._script.replies):
            if rule.times is not None:
                self._used[index] = _count(self._is_of(rule, item) for item in context.items)

    def _is_of(self, rule: Rule, item: Item) -> bool:
        """The rule made this item; an answer that was broken off is still its own."""
        if item.kind == "function_call":
            return (
                rule.say is None
                and rule.voice is None
                and rule.tool_call is not None
                and (item.body["name"] == rule.tool_call.name)
            )
        if item.role != "assistant":
            return False
        text = self._voices.named(rule.voice).text if rule.voice is not None and rule.say is None else rule.say or ""
        said, whole = wording(item.said), wording(text)
        return bool(said) and said == whole[: len(said)]

    def choose(self, context: Context) -> Reply:
        """The reply of the first rule that fits; that rule is used once more."""
        for index, rule in enumerate(self._script.replies):
            if rule.times is not None and self._used[index] >= rule.times:
                continue
            if self._fits(rule.conditions, context):
                self._used[index] += 1
                return self._reply(rule, context)
        return self._reply(FALLBACK, context)

    def _fits(self, when: When, context: Context) -> bool:
        """All given conditions hold. After a tool's result only rules for it, or without conditions, may answer."""
        returned = context.returned_tool
        if returned is not None and when.tool_result is None and when != When():
            return False
        turns = context.caller_turns
        last = turns[-1] if turns else None
        tests = (
            when.greeting is None or not turns,
            when.caller_said is None or (last is not None and _found(when.caller_said, last.said)),
            when.recording is None or (last is not None and self._holds(last, when.recording)),
            when.turn in (None, len(turns)),
            when.tool_result in (None, returned),
            when.instructions is None or _found(when.instructions, context.instructions),
            when.model in (None, context.model),
        )
        return all(tests)

    def _holds(self, turn: Item, recording: str) -> bool:
        """A conversation that is told in writing is answered as one that was heard."""
        if turn.source == "seeded" and turn.text:
            return is_said_in(turn.text, self._voices.named(recording).text)
        return recording in turn.recordings

    def _reply(self, rule: Rule, context: Context) -> Reply:
        voice = self._voices.named(rule.voice) if rule.voice is not None else None
        text = voice.text if rule.say is None and voice is not None else _fill(rule.say or "", context)
        if voice is None and text:
            voice = tone(text, rule.length_ms)
        tool = (rule.tool_call.name, dict(rule.tool_call.arguments)) if rule.tool_call else None
        return _timed(rule, self._script.defaults, text, voice, tool)


def _timed(
    rule: Rule, defaults: Defaults, text: str, voice: Voice | None, tool: tuple[str, dict[str, object]] | None
) -> Reply:
    first_audio_ms = defaults.first_audio_ms if rule.first_audio_ms is None else rule.first_audio_ms
    speed, delta_ms = rule.speed or defaults.speed, rule.delta_ms or defaults.delta_ms
    return Reply(text, voice, tool, first_audio_ms / 1000, speed, delta_ms)


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _fill(text: str, context: Context) -> str:
    """Replace the names in braces that a script may use; other braces stay."""
    turns = context.caller_turns
    known = {
        "{items}": len(context.items),
        "{seeded}": _count(item.source == "seeded" for item in context.items),
        "{caller_turns}": len(turns),
        "{agent_turns}": _count(item.role == "assistant" for item in context.items),
        "{last_caller_text}": turns[-1].said if turns else "",
    }
    for name, value in known.items():
        text = text.replace(name, str(value))
    return text


def _count(answers: Iterable[bool]) -> int:
    return sum(answers)
