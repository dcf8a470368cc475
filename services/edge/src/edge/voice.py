"""The agent's voice on one leg: plays what the current talker sends, and tells as facts what the caller heard."""

import time
from collections.abc import Callable
from typing import assert_never

from common import metrics
from common.audio import Kind, RawRecord
from common.conversation import Turn
from common.messages.commands import Clear, Heard
from common.messages.facts import AgentSaid, AnyFact, BargedIn, TurnStarted
from edge.core import playout
from edge.core.clock import LegClock
from edge.legs.port import Leg


class AgentVoice:
    """Everything between an agent record let through by the arbiter and the carrier's receipt for it."""

    def __init__(
        self,
        call_id: str,
        model: str,
        leg: Leg,
        clock: LegClock,
        tell: Callable[[AnyFact], None],
        *,
        is_new_call: bool = True,
    ) -> None:
        """`tell` publishes a fact of this call."""
        self._call_id = call_id
        self._model = model
        self._leg = leg
        self._clock = clock
        self._tell = tell
        self._playout = playout.Playout()
        self._void_through = 0
        self._through: dict[int, int] = {}
        """The last sequence that came of each kind: after a fault of the bus, records may come again."""
        self._held_back: list[RawRecord] | None = None
        self._cleared: Clear | None = None
        self._heard = Heard()
        self._epoch = 0
        self._local_since_ms = 0
        """Call clock when audio of our own was played last."""
        self._unheard_since: float | None = time.monotonic() if is_new_call else None
        """When the call began, until its first agent audio has left."""

    def new_epoch(self, epoch: int) -> None:
        """Another talker speaks from now on; what the last one sent plays on."""
        self._epoch = epoch
        self._held_back = None
        self._void_through = 0
        self._through.clear()
        self._perform(self._playout.end_items(time.monotonic()))

    @property
    def is_quiet(self) -> bool:
        """True if the agent is not in the middle of anything and the carrier has played everything."""
        return self._playout.is_quiet

    @property
    def is_silent(self) -> bool:
        """True if the carrier has played everything."""
        return self._playout.is_silent

    @property
    def is_mid_turn(self) -> bool:
        """True if the agent has begun to speak, and more is to come."""
        return self._playout.is_mid_turn

    def under_way(self, before_epoch: int) -> tuple[Turn, ...]:
        """Turns of earlier epochs that the carrier still plays, as they will have been heard."""
        under_way = self._playout.under_way()
        return tuple(self._as_turn(turn) for turn in under_way if turn.epoch < before_epoch and turn.text.strip())

    def play_local(self, pcmu: bytes) -> None:
        """Play a clip of our own."""
        self._local_since_ms = self._clock.at(time.monotonic())
        self._perform(self._playout.local(pcmu, time.monotonic()))

    def hold_back(self) -> None:
        """Records were lost and will come again, perhaps behind newer ones: keep all until `let_go`."""
        self._held_back = [] if self._held_back is None else self._held_back

    def let_go(self) -> None:
        """Play what was held back, in its order."""
        held, self._held_back = self._held_back or [], None
        for record in sorted(held, key=lambda record: record[2]):
            self.on_record(record)

    def on_record(self, record: RawRecord) -> None:
        """One record of the current talker."""
        if self._held_back is not None:
            self._held_back.append(record)
            return
        _, epoch, sequence, timestamp_ms, kind, payload = record
        if sequence <= self._through.get(kind, 0):
            metrics.AUDIO_DROPPED.labels("agent", "repeated").inc()
            return
        self._through[kind] = sequence
        if sequence <= self._void_through:
            metrics.AUDIO_DROPPED.labels("agent", "cleared").inc()
        elif kind == Kind.AUDIO:
            self._perform(self._playout.audio(epoch, payload, time.monotonic()))
        elif kind == Kind.TEXT:
            self._playout.text(epoch, timestamp_ms, payload.decode(errors="replace"))
        elif kind == Kind.ITEM:
            self._playout.begin_item(payload.decode(errors="replace"), epoch, timestamp_ms)
        elif kind == Kind.ITEM_END:
            self._perform(self._playout.end_item(payload.decode(errors="replace"), time.monotonic()))
        else:
            metrics.AUDIO_DROPPED.labels("agent", "unknown_kind").inc()

    def on_mark(self, name: str) -> None:
        """The carrier played everything before this mark."""
        self._perform(self._playout.mark(name, time.monotonic()))

    def on_clear(self, clear: Clear) -> Heard:
        """The caller barged in: silence the agent, say what was heard. Nothing was playing: nothing was cut.

        A talker that got no answer asks again, and gets the same one.
        """
        if clear != self._cleared:
            self._cleared, self._heard = clear, self._cut(clear)
        return self._heard

    def _cut(self, clear: Clear) -> Heard:
        self._void_through = max(self._void_through, clear.through_sequence)
        if self._playout.is_quiet or self._is_about_what_was_covered(clear):
            return Heard()
        self._leg.clear()
        cut = self._playout.clear(time.monotonic())
        self._perform(cut)
        if not cut:
            return Heard()
        spoken = next((turn for turn in cut if turn.is_interrupted), cut[-1])
        item_id, heard_ms, text = spoken.item_id, spoken.heard_ms, spoken.text
        self._tell(
            BargedIn(
                call_id=self._call_id,
                epoch=self._epoch,
                at_ms=self._clock.at(time.monotonic()),
                item_id=item_id,
                onset_ms=clear.onset_ms,
                heard_ms=heard_ms,
            )
        )
        return Heard(item_id=item_id, heard_ms=heard_ms, text=text)

    def _is_about_what_was_covered(self, clear: Clear) -> bool:
        """True if only our clip plays, over silence after what the caller said: a new talker hears that only now."""
        return not self._playout.has_turns and clear.onset_ms < self._local_since_ms

    def finish(self) -> None:
        """The leg is gone: every open turn ends as far as it was heard."""
        self._perform(self._playout.clear(time.monotonic()))

    def _perform(self, outputs: tuple[playout.Output, ...]) -> None:
        for output in outputs:
            match output:
                case playout.SendAudio(pcmu, mark):
                    self._leg.send_audio(pcmu, mark)
                case playout.AgentBegan():
                    self._began(output)
                case playout.AgentTurn():
                    self._turn_over(output)
                case playout.Gap(seconds):
                    metrics.AUDIO_GAP.observe(seconds)
                case _:
                    assert_never(output)

    def _began(self, began: playout.AgentBegan) -> None:
        now = time.monotonic()
        response_ms = max(0, self._clock.at(now) - began.answers_ms) if began.answers_ms else None
        if response_ms is not None:
            metrics.TURN_RESPONSE.labels(self._model, "primary").observe(response_ms / 1000)
        if self._unheard_since is not None:
            metrics.CALL_SETUP.labels("twilio").observe(now - self._unheard_since)
            self._unheard_since = None
        self._tell(
            TurnStarted(
                call_id=self._call_id,
                epoch=began.epoch,
                at_ms=self._clock.at(now),
                speaker="agent",
                item_id=began.item_id,
                response_ms=response_ms,
            )
        )

    def _turn_over(self, turn: playout.AgentTurn) -> None:
        said = self._as_turn(turn)
        self._tell(
            AgentSaid(
                call_id=self._call_id,
                epoch=turn.epoch,
                at_ms=said.end_ms,
                item_id=turn.item_id,
                text=turn.text,
                start_ms=said.start_ms,
                end_ms=said.end_ms,
                heard_ms=turn.heard_ms,
                audio_ms=turn.audio_ms,
                is_interrupted=turn.is_interrupted,
                is_unfinished=turn.is_unfinished,
            )
        )

    def _as_turn(self, turn: playout.AgentTurn) -> Turn:
        return Turn(
            speaker="agent",
            item_id=turn.item_id,
            text=turn.text,
            start_ms=self._clock.at(turn.began_at),
            end_ms=self._clock.at(turn.ended_at),
            is_interrupted=turn.is_interrupted,
            is_unfinished=turn.is_unfinished,
        )
