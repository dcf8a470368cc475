"""Prompts as what the agent says: each prompt its words and its recorded voice."""

from collections.abc import Callable, Sequence

from common.prompts import PromptSet

from common.pcmu import duration_ms
from fallback.core.vocabulary import Command, Emit
from talker.port import AgentAudio, AgentAudioEnded, AgentText, ResponseEnded, ResponseStarted


class PromptVoice:
    """The prompts of one agent."""

    def __init__(self, prompts: PromptSet, new_id: Callable[[str], str]) -> None:
        self._prompts = prompts
        self._new_id = new_id

    def say(self, names: Sequence[str], response_id: str) -> tuple[Command, ...]:
        """These prompts as one item within a response that has begun."""
        item_id = self._new_id("prompt")
        said: list[Command] = []
        for number, name in enumerate(names):
            prompt = self._prompts[name]
            if prompt.text:
                said.append(Emit(AgentText(response_id, item_id, f" {prompt.text}" if number else prompt.text)))
            said.append(Emit(AgentAudio(response_id, item_id, prompt.pcmu)))
        return (*said, Emit(AgentAudioEnded(response_id, item_id)))

    def alone(self, names: Sequence[str]) -> tuple[Command, ...]:
        """These prompts as a response of their own."""
        response_id = self._new_id("resp")
        begun, ended = Emit(ResponseStarted(response_id)), Emit(ResponseEnded(response_id, "completed"))
        return (begun, *self.say(names, response_id), ended)

    def lasts_ms(self, names: Sequence[str]) -> int:
        """How long they take to be heard."""
        return sum(duration_ms(self._prompts[name].pcmu) for name in names)
