"""One answer of the agent on its way from the chat model to the caller's ear, sentence by sentence."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from fallback.core.sentences import Sentences
from fallback.core.vocabulary import ChatEnded, ChatSaid, Sounded, SoundEnded, Speak
from talker.port import Usage

AHEAD: Final = 2
"""Sentences that are made into speech at the same time: the one that is heard, and the next."""


@dataclass(slots=True)
class _Sentence:
    text: str
    item_id: str
    pieces: deque[bytes] = field(default_factory=deque)
    is_whole: bool = False
    is_begun: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    """The agent begins to say this."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Sound:
    """The agent's voice, pcmu."""

    item_id: str
    pcmu: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """All of the item was said."""

    item_id: str


class Answer:
    """Feed it what the stages bring; it gives what can be heard now, in order, and what to make into speech next."""

    def __init__(self, answer_id: str, item_id: str, instructions: str = "") -> None:
        self.answer_id = answer_id
        self.instructions = instructions
        """In place of the agent's, for this answer; empty: the agent's."""
        self.has_sounded = False
        self.rounds = 0
        """How often the chat model was asked: once, and again after each round of tools."""
        self.usage = Usage()
        self.tools_due: set[str] = set()
        """Tool calls without a result yet."""
        self.item_id = item_id
        """Of what is written now."""
        self._open_item = ""
        self._splitting = Sentences()
        self._sentences: list[_Sentence] = []
        self._heard = 0
        self._asked = 0
        self._is_written = False

    # --- from the stages ------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """These very words, without a chat model."""
        self._add(text)
        self._is_written = True

    def write(self, said: ChatSaid) -> None:
        """More of what the model says."""
        for sentence in self._splitting.feed(said.text):
            self._add(sentence)

    def written(self, ended: ChatEnded) -> None:
        """The model has ended."""
        if rest := self._splitting.rest():
            self._add(rest)
        if ended.usage is not None:
            self.usage = _sum(self.usage, ended.usage)
        self._is_written = True

    def expect_more(self, item_id: str) -> None:
        """The model will be asked again, after its tools. What it says then is an item of its own, after the tools."""
        self.item_id = item_id
        self._is_written = False

    def _add(self, text: str) -> None:
        self._sentences.append(_Sentence(text, self.item_id))

    def hear(self, event: Sounded | SoundEnded) -> None:
        """Speech of a sentence, which may come before that of the one before it."""
        if event.number >= len(self._sentences):
            return
        sentence = self._sentences[event.number]
        if isinstance(event, Sounded):
            sentence.pieces.append(event.pcmu)
        else:
            sentence.is_whole = True

    # --- for the caller -------------------------------------------------------------------------------------------

    def to_speak(self) -> tuple[Speak, ...]:
        """The sentences that should be made into speech now."""
        last = min(len(self._sentences), self._heard + AHEAD)
        first, self._asked = self._asked, max(self._asked, last)
        return tuple(Speak(self.answer_id, at, self._sentences[at].text) for at in range(first, self._asked))

    def to_hear(self) -> tuple[Begin | Sound | Close, ...]:
        """What can be heard now."""
        heard: list[Begin | Sound | Close] = []
        while self._heard < len(self._sentences):
            sentence = self._sentences[self._heard]
            if sentence.pieces and not sentence.is_begun:
                sentence.is_begun = True
                heard += self._begin(sentence)
            heard += (Sound(sentence.item_id, pcmu) for pcmu in sentence.pieces)
            sentence.pieces.clear()
            if not sentence.is_whole:
                break
            self._heard += 1
        self.has_sounded = self.has_sounded or bool(heard)
        return (*heard, *(self._close() if self.is_over else ()))

    def _begin(self, sentence: _Sentence) -> tuple[Begin | Close, ...]:
        if sentence.item_id == self._open_item:
            return (Begin(sentence.item_id, f" {sentence.text}"),)
        closed = self._close()
        self._open_item = sentence.item_id
        return (*closed, Begin(sentence.item_id, sentence.text))

    def _close(self) -> tuple[Close, ...]:
        item_id, self._open_item = self._open_item, ""
        return (Close(item_id),) if item_id else ()

    @property
    def is_over(self) -> bool:
        """Everything was said."""
        return self._is_written and self._heard == len(self._sentences)

    @property
    def is_empty(self) -> bool:
        """The model has ended and said nothing at all."""
        return self._is_written and not self._sentences


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        input_text_tokens=one.input_text_tokens + other.input_text_tokens,
        cached_text_tokens=one.cached_text_tokens + other.cached_text_tokens,
        output_text_tokens=one.output_text_tokens + other.output_text_tokens,
    )
