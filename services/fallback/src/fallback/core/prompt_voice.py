"""Prompts as what the agent says: each prompt its words and its recorded voice."""

from collections.abc import Callable, Sequence

from common.conversation import PROMPT
from common.pcmu import duration_ms
from common.prompt_names import Prompt
from common.prompts import PromptSet
from fallback.core.vocabulary import Command, Emit
from talker.port import AgentAudio, AgentAudioEnded, AgentText, ResponseEnded, ResponseStarted


class PromptVoice:
    """The prompts of one agent."""

    def __init__(self, prompts: PromptSet, new_id: Callable[[str], str]) -> None:
        self._prompts = prompts
        self._new_id = new_id

    def say(self, names: Sequence[Prompt], response_id: str) -> tuple[Command, ...]:
        """These prompts as one item within a response that has begun."""
        item_id = self._new_id(PROMPT)
        said: list[Command] = []
        has_text = False
        for recording in (self._prompts[name] for name in names):
            if recording.text:
                text = f" {recording.text}" if has_text else recording.text
                said.append(Emit(AgentText(response_id, item_id, text)))
                has_text = True
            said.append(Emit(AgentAudio(response_id, item_id, recording.pcmu)))
        return (*said, Emit(AgentAudioEnded(response_id, item_id)))

    def fill(self, name: Prompt, response_id: str) -> tuple[Command, ...]:
        """A prompt that only fills the time: without words, for who takes the call over must not think it an answer."""
        item_id = self._new_id(PROMPT)
        sound = Emit(AgentAudio(response_id, item_id, self._prompts[name].pcmu))
        return (sound, Emit(AgentAudioEnded(response_id, item_id)))

    def alone(self, names: Sequence[Prompt]) -> tuple[Command, ...]:
        """These prompts as a response of their own."""
        response_id = self._new_id("resp")
        begun, ended = Emit(ResponseStarted(response_id)), Emit(ResponseEnded(response_id, "completed"))
        return (begun, *self.say(names, response_id), ended)

    def lasts_ms(self, names: Sequence[Prompt]) -> int:
        """How long they take to be heard."""
        return duration_ms(self._prompts.pcmu(names))
