"""Whether the conversation of the demo took place: every reason why not, in words."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from trunkline.demo.report import CallerResult, responses_ms

SILENT_WITHIN_MS: Final = 300
AUDIBLE_RMS: Final = 200.0
"""Of 16-bit samples over the whole call; digital silence has none, speech on the phone thousands."""


def problems_of_transfer(result: CallerResult, report: Mapping[str, Any], rms: Sequence[float]) -> list[str]:
    """What is missing for a caller whom one human could not be found for, and another was."""
    return [
        *_of_the_caller(result),
        *_of_the_greeting(report["turns"]),
        *_of_the_transcripts(result, report["turns"]),
        *_of_the_transfers(report["transfers"]),
        *_of_the_return(report["turns"]),
        *_of_the_epochs(report["epochs"]),
        *_of_the_recording(rms),
    ]


def problems(result: CallerResult, report: Mapping[str, Any], rms: Sequence[float]) -> list[str]:
    """What is missing for a conversation. `report` is `call.json`, `rms` the loudness of caller and agent channel."""
    return [
        *_of_the_caller(result),
        *_of_the_greeting(report["turns"]),
        *_of_the_transcripts(result, report["turns"]),
        *_of_the_answers(result),
        *_of_the_barge_ins(result),
        *_of_the_epochs(report["epochs"]),
        *_of_the_recording(rms),
    ]


def _of_the_caller(result: CallerResult) -> list[str]:
    return [] if result.is_ok else [f"the caller could not play its part: {result.failure}"]


def _of_the_greeting(turns: Sequence[Mapping[str, Any]]) -> list[str]:
    if not turns or turns[0]["speaker"] != "agent" or not turns[0]["heard_ms"]:
        return ["the caller heard no greeting"]
    return []


def _of_the_transcripts(result: CallerResult, turns: Sequence[Mapping[str, Any]]) -> list[str]:
    spoken = [turn.text for turn in result.caller_turns]
    written = [str(turn["text"]) for turn in turns if turn["speaker"] == "caller"]
    if len(spoken) != len(written):
        return [f"the caller spoke {len(spoken)} times but {len(written)} turns were written down"]
    return [
        f"the caller said “{said}” but “{heard}” was written down"
        for said, heard in zip(spoken, written, strict=True)
        if plain(said) != plain(heard)
    ]


def plain(text: str) -> str:
    """Words alone: no case, no punctuation, single spaces."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _of_the_answers(result: CallerResult) -> list[str]:
    waits = zip(result.caller_turns, responses_ms(result), strict=True)
    return [f"the agent did not answer “{turn.text}”" for turn, wait in waits if wait is None]


def _of_the_barge_ins(result: CallerResult) -> list[str]:
    if not result.barge_ins:
        return ["the caller never spoke over the agent, so nothing is known of barge-in"]
    quickest = min(one.silent_after_ms for one in result.barge_ins)
    if quickest > SILENT_WITHIN_MS:
        return [
            f"the agent was heard for {quickest:.0f} ms after the caller spoke over it (limit {SILENT_WITHIN_MS} ms)"
        ]
    return []


def _of_the_transfers(transfers: Sequence[Mapping[str, Any]]) -> list[str]:
    talked = [bool(each["has_talked"]) for each in transfers]
    if talked != [False, True]:
        return [f"one human should be dialled in vain and one reached; of {len(talked)} {sum(talked)} talked"]
    return [] if transfers[1]["human_heard"] else ["the human was told nothing before the caller was there"]


def _of_the_return(turns: Sequence[Mapping[str, Any]]) -> list[str]:
    """The agent speaks first when the caller is back: twice in a row with what it said before the transfer."""
    speakers = [turn["speaker"] for turn in turns]
    if ("agent", "agent") not in pairwise(speakers):
        return ["the agent did not speak first when the caller was back"]
    return []


def _of_the_epochs(epochs: Sequence[int]) -> list[str]:
    if not epochs or epochs[0] != 1:
        return [f"the talkers' epochs should begin with 1, not {epochs[0] if epochs else 'nothing'}"]
    if any(later <= earlier for earlier, later in pairwise(epochs)):
        return [f"the talkers' epochs should rise: {epochs}"]
    return []


def _of_the_recording(rms: Sequence[float]) -> list[str]:
    if len(rms) != 2:
        return [f"the recording has {len(rms)} channel(s), not two"]
    names = zip(("caller", "agent"), rms, strict=True)
    return [f"the {name}'s side of the recording is silent" for name, loudness in names if loudness < AUDIBLE_RMS]
