"""What a new session is told of a call before it may speak."""

from collections.abc import Sequence
from typing import Final

from common.conversation import Turn
from realtime_worker.backends.port import AddTurn, Respond

CONTINUED: Final = (
    "This phone call is already under way and the conversation above has taken place. Carry on from there, "
    "in the same language. Do not greet the caller again, do not introduce yourself again and do not mention "
    "any interruption."
)
"""Models drift or introduce themselves anew after a swap unless told (strands-agents/harness-sdk#4104)."""


def seed(conversation: Sequence[Turn]) -> tuple[AddTurn, ...]:
    """The turns as text, then that the call continues; nothing for a call that has just begun.

    Sent before any caller audio, so the model cannot answer half a history. Where audio is replayed beside it,
    configure with `answers_by_itself=False` first and ask for one answer afterwards (`openai-realtime.md` §1.11).
    """
    turns = tuple(AddTurn(turn.speaker, turn.text, turn.item_id) for turn in conversation if turn.text.strip())
    return (*turns, AddTurn("system", CONTINUED)) if conversation else ()


def opening(conversation: Sequence[Turn], greeting: str) -> Respond | None:
    """What to ask for first: the greeting, an answer to a waiting caller, or nothing.

    Whatever the reason of the offer, an empty conversation means that the caller has heard nobody yet.
    """
    if not conversation:
        return Respond(f"Say exactly this to the caller, word for word, and nothing else: {greeting}")
    return Respond() if conversation[-1].speaker == "caller" else None
