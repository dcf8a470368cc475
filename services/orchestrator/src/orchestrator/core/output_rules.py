"""Whether an agent kept its rules: what it must not say, and what the caller has to hear."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from common.agents import OutputRules
from orchestrator.core.followed_call import FollowedCall, newest_of

_AGENT: Final = frozenset({"agent"})


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that was broken, by its place in the profile."""

    kind: Literal["forbidden", "must_say"]
    index: int
    fact_id: str

    @property
    def rule(self) -> str:
        """Its name in facts and metrics: never its words."""
        return f"{self.kind}:{self.index}"


def breaches(call: FollowedCall, rules: OutputRules, corrected: frozenset[str]) -> tuple[Breach, ...]:
    """What the agent's turns that are due have broken. `corrected`: rules it was told of already, for good."""
    return (*_forbidden(call, rules), *_unsaid(call, rules, corrected))


def _forbidden(call: FollowedCall, rules: OutputRules) -> Iterator[Breach]:
    texts = {said["id"]: _plain(said["text"]) for said in call["conversation"] if said["kind"] == "agent"}
    for due in call["due"]:
        if due["kind"] == "agent":
            for index, words in enumerate(rules.forbidden):
                if _holds(texts.get(due["id"], ""), words):
                    yield Breach("forbidden", index, due["fact_id"])


def _unsaid(call: FollowedCall, rules: OutputRules, corrected: frozenset[str]) -> Iterator[Breach]:
    newest = newest_of(call, _AGENT)
    if newest is None or call["agent_turns"] < rules.must_say_within_turns:
        return
    said = [_plain(each["text"]) for each in call["conversation"] if each["kind"] == "agent"]
    for index, words in enumerate(rules.must_say):
        breach = Breach("must_say", index, newest["fact_id"])
        if breach.rule not in corrected and not any(_holds(text, words) for text in said):
            yield breach


def _plain(text: str) -> str:
    """Case, width, accents' composition and punctuation hide nothing."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(letter if letter.isalnum() else " " for letter in folded)
    return f" {' '.join(kept.split())} "


def _holds(plain: str, words: str) -> bool:
    """Whole words, where the script has any; a phrase in Japanese is looked for anywhere."""
    wanted = _plain(words)
    return (wanted if wanted.isascii() else wanted.strip()) in plain if wanted.strip() else False
