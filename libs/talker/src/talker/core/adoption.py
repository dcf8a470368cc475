"""What another edge has to know that goes on with a call: what the caller can have heard until the one before died."""

from collections.abc import Iterable

from common.messages.commands import LeftOver
from talker.core.agent_turns import Remnant
from talker.core.vocabulary import TellLeftOver


def left_over(remnants: Iterable[Remnant], died_at: float, leg_ms: int) -> TellLeftOver:
    """Turns that were heard and whose facts the edge does not have. `leg_ms`: the leg's clock at `died_at`."""
    untold = (remnant for remnant in remnants if remnant.heard_ms and not remnant.is_known)
    return TellLeftOver(tuple(_left_over(remnant, died_at, leg_ms) for remnant in untold))


def _left_over(remnant: Remnant, died_at: float, leg_ms: int) -> LeftOver:
    return LeftOver(
        item_id=remnant.item_id,
        text=remnant.text,
        start_ms=max(0, leg_ms - round((died_at - remnant.began_at) * 1000)),
        heard_ms=remnant.heard_ms,
        audio_ms=remnant.audio_ms,
    )
