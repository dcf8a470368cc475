"""What each simulated caller does: a conversation of turns, different for every caller, the same for the same seed."""

from random import Random
from typing import Any, Final

RECORDINGS: Final = ("caller-1", "caller-2", "caller-3", "caller-4", "caller-5")
INTERRUPTS: Final = 0.25
"""This share of the callers' turns is spoken over the agent."""
PATIENCE_MS: Final = 30_000
SHORTEST_EXCHANGE_S: Final = 3.0

Step = Any


def script(random: Random, talks_s: float, *, extra: tuple[Step, ...] = ()) -> dict[str, Any]:
    """A caller who talks for so long, lets the agent finish and hangs up; `extra` is done after the second turn."""
    steps: list[Step] = [{"wait_for_agent_speech": {"timeout_ms": PATIENCE_MS}}]
    for number in range(int(talks_s / SHORTEST_EXCHANGE_S) + 1):
        if number == 2:
            steps += extra
        steps.append({"repeat": {"times": 1, "until_ms": int(talks_s * 1000), "steps": _exchange(random)}})
    last_words = [{"wait_for_agent_silence": {"silence_ms": 1_000}}, "hangup"]
    return {"name": "chaos", "max_call_ms": int(talks_s * 1000) + 90_000, "steps": [*steps, *last_words]}


def _exchange(random: Random) -> list[Step]:
    """Take a turn, wait for the answer to begin."""
    recording = random.choice(RECORDINGS)
    if random.random() < INTERRUPTS:
        after_ms = random.randrange(1_000, 3_000)
        # Speaks then whatever the agent does: if the fault silenced it, nobody waits for words that nobody owes.
        turn = [{"pause_ms": after_ms}, {"say": recording}]
    else:
        silence_ms = random.randrange(700, 1_200)
        turn = [{"wait_for_agent_silence": {"silence_ms": silence_ms}}, {"say": recording}]
    return [*turn, {"wait_for_agent_speech": {"timeout_ms": PATIENCE_MS}}]
