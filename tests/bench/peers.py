"""The load: both ends of many calls in one process, so that one clock measures both directions."""

import asyncio
from time import monotonic
from typing import Final

from picows import WSUpgradeRequest, ws_create_server

from .board import CallBoard, Window
from .peers_model import ModelSession
from .peers_twilio import CallerLeg, place_call
from .schedule import FrameClock
from .timeline import Timeline
from .twiml import NoStreamError

_TICK_S: Final = 0.001
_PLACING_DEADLINE_S: Final = 20
_MEETING_DEADLINE_S: Final = 5


class Load:
    """`size` calls and one more to warm up with, which is never measured."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.window = Window()
        self.timeline = Timeline()
        self.cycles_from = monotonic()
        self.model_port = 0
        self._boards = [CallBoard(number, self.window) for number in range(size)]
        self._boards.append(CallBoard(size, Window()))
        self._legs = [CallerLeg(board) for board in self._boards]
        self._sessions: list[ModelSession] = []
        self._clock = FrameClock(calls=size + 1, started_at=monotonic())
        self._model: asyncio.Server | None = None
        self._ticking: asyncio.TimerHandle | None = None

    def board(self, call: int) -> CallBoard:
        return self._boards[call]

    def is_hearing_agent(self, call: int, now: float) -> bool:
        """Whether the caller of this call hears the agent now."""
        return self._legs[call].playout.is_playing(now)

    async def open(self) -> None:
        """Starts the model's server (`model_port` is known then) and the clock."""
        self._model = await ws_create_server(self._new_session, "127.0.0.1", 0)
        self.model_port = self._model.sockets[0].getsockname()[1]
        self._tick()

    async def warm_up(self, webhook_url: str) -> None:
        """One call of a second, so that what is loaded at the first call is not counted as the cost of many.

        Processes that are ready may not have met yet, so a call that is turned away at first is placed again.
        """
        leg = self._legs[-1]
        deadline = monotonic() + _MEETING_DEADLINE_S
        while not leg.is_open:
            try:
                await place_call(leg, webhook_url)
            except NoStreamError:
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        leg.hang_up()
        await asyncio.sleep(0.5)

    async def place(self, webhook_url: str, calls_per_s: float) -> list[str]:
        """Places all calls at an even pace; returns what went wrong."""
        placing = []
        for leg in self._legs[: self.size]:
            placing.append(asyncio.create_task(_placed(leg, webhook_url)))
            await asyncio.sleep(1 / calls_per_s)
        outcomes = await asyncio.gather(*placing)
        return [f"call {number}: {problem}" for number, problem in enumerate(outcomes) if problem]

    def uncarried(self) -> list[str]:
        """The calls that are not carried now: dropped, unheard by the model, or without a word from the agent."""
        return [
            f"call {leg.board.number}: {problem}"
            for leg in self._legs[: self.size]
            if (problem := _problem_of(leg)) is not None
        ]

    def hang_up(self) -> None:
        """Ends all calls from the caller's side."""
        for leg in self._legs:
            leg.hang_up()

    def close(self) -> None:
        """Stops clock and server."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._model is not None:
            self._model.close()

    def _new_session(self, request: WSUpgradeRequest) -> ModelSession | None:
        if not request.path.startswith(b"/v1/realtime"):
            return None
        session = ModelSession(f"b{len(self._sessions)}", self)
        self._sessions.append(session)
        return session

    def _tick(self) -> None:
        call, due = self._clock.next_due()
        while due <= monotonic():
            if self._legs[call].is_open:
                self._legs[call].send_frame(due)
            self._clock.advance()
            call, due = self._clock.next_due()
        self.timeline.run(monotonic())
        self._ticking = asyncio.get_running_loop().call_later(_TICK_S, self._tick)


async def _placed(leg: CallerLeg, webhook_url: str) -> str | None:
    try:
        async with asyncio.timeout(_PLACING_DEADLINE_S):
            await place_call(leg, webhook_url)
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"
    return None


def _problem_of(leg: CallerLeg) -> str | None:
    if not leg.is_open:
        return "socket closed"
    if leg.board.newest_frame < 0:
        return "no caller audio reached the model"
    if not leg.board.heard_bytes:
        return "no agent audio reached the caller"
    return None
