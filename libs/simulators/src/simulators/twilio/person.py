"""Act a script out: told each 20 ms what the caller senses, answers with what the caller does.

The steps are generators; `yield None` means "until the next frame".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import assert_never

from simulators.twilio import steps
from simulators.twilio.script import Script
from simulators.twilio.steps import AnyStep, EndedBy

KEY_INTERVAL_MS = 250
KEY_PAUSE_MS = 500


@dataclass(slots=True)
class Senses:
    """What the caller knows at `now` (monotonic seconds); the line keeps it up to date."""

    now: float
    agent_is_audible: bool = False
    agent_silent_s: float = 0.0
    agent_audible_s: float = 0.0  # added up over the whole call
    is_speaking: bool = False
    streams: int = 0
    dials: int = 0
    side_sockets_open: int = 0


@dataclass(frozen=True, slots=True)
class Speak:
    """Begin to speak this recording."""

    recording: str


@dataclass(frozen=True, slots=True)
class PressKey:
    """Press one key."""

    digit: str


@dataclass(frozen=True, slots=True)
class PutDown:
    """Hang up."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The script cannot go on."""

    reason: str


Action = (
    Speak
    | PressKey
    | PutDown
    | GiveUp
    | steps.Misbehave
    | steps.SideSocket
    | steps.StallReading
    | steps.DropSocket
    | steps.Vanish
)
Acting = Iterator[Action | None]


class _OutOfPatienceError(Exception):
    """A condition did not come true in time."""


class Person:
    """One caller following one script."""

    def __init__(self, script: Script, senses: Senses) -> None:
        """Nothing is done, and no patience is lost, before the first `tick`."""
        self._script = script
        self._senses = senses
        self._number = 0
        self._reason: str | None = None
        self._answered = senses.now
        self._acting = self._act()
        self.is_done = False

    def tick(self) -> tuple[Action, ...]:
        """What the caller does in this frame."""
        if self.is_done:
            return ()
        actions: list[Action] = []
        while (action := next(self._acting, None)) is not None:
            actions.append(action)
        return tuple(actions)

    def failure(self, ended_by: EndedBy) -> str | None:
        """Why the call did not go as scripted, now that it has ended; None if it did."""
        if self._reason is not None:
            return self._reason
        step = self._script.steps[self._number]
        if isinstance(step, steps.WaitForEnd):
            return None if ended_by in step.by else f"{self._where()}: the call ended by {ended_by}"
        if self.is_done:
            return None
        return f"{self._where()}: the call ended by {ended_by} before the script did"

    def _act(self) -> Acting:
        self._answered = self._senses.now
        until = self._answered + self._script.max_call_ms / 1000
        try:
            for number, step in enumerate(self._script.steps):
                self._number = number
                for action in self._perform(step):
                    if self._senses.now > until:
                        raise _OutOfPatienceError(f"the call lasted longer than {self._script.max_call_ms} ms")
                    yield action
        except _OutOfPatienceError as error:
            self._reason = f"{self._where()}: {error}"
            yield GiveUp(self._reason)
        self.is_done = True

    def _where(self) -> str:
        return f"step {self._number} ({self._script.steps[self._number].kind})"

    def _perform(self, step: AnyStep) -> Acting:
        senses = self._senses
        match step:
            case steps.Say(recording=recording):
                return self._say(recording)
            case steps.Interrupt():
                return self._interrupt(step)
            case steps.PauseFor(ms=ms):
                return self._pause(ms)
            case steps.Dtmf(digits=digits):
                return self._press(digits)
            case steps.Hangup():
                return iter((PutDown(),))
            case steps.WaitForAgentSpeech(timeout_ms=ms):
                return self._wait(lambda: senses.agent_is_audible, ms, "the agent was not heard")
            case steps.WaitForAgentSilence(silence_ms=silence, timeout_ms=ms):
                return self._wait(lambda: senses.agent_silent_s * 1000 >= silence, ms, "the agent did not stop")
            case steps.WaitForStream(number=number, timeout_ms=ms):
                return self._wait(lambda: senses.streams >= number, ms, f"stream {number} was not attached")
            case steps.WaitForDial(timeout_ms=ms):
                return self._wait(lambda: senses.dials > 0, ms, "nobody was dialled")
            case steps.WaitForEnd(timeout_ms=ms):
                return self._wait(lambda: False, ms, "the call was not ended")
            case steps.SideSocket(for_ms=ms):
                return self._open_side(step, ms)
            case steps.Repeat():
                return self._repeat(step)
            case steps.Misbehave() | steps.StallReading() | steps.DropSocket() | steps.Vanish():
                return iter((step,))
        assert_never(step)

    def _repeat(self, step: steps.Repeat) -> Acting:
        until = None if step.until_ms is None else self._answered + step.until_ms / 1000
        for _ in range(step.times):
            if until is not None and self._senses.now >= until:
                return
            for repeated in step.steps:
                yield from self._perform(repeated)

    def _say(self, recording: str) -> Acting:
        yield Speak(recording)
        yield None
        while self._senses.is_speaking:
            yield None

    def _interrupt(self, step: steps.Interrupt) -> Acting:
        began = self._senses.agent_audible_s
        enough = step.after_ms_of_agent_speech / 1000
        yield from self._wait(
            lambda: self._senses.agent_is_audible and self._senses.agent_audible_s - began >= enough,
            step.timeout_ms,
            f"the agent did not speak for {step.after_ms_of_agent_speech} ms",
        )
        yield from self._say(step.say)

    def _pause(self, ms: int) -> Acting:
        until = self._senses.now + ms / 1000
        while self._senses.now < until:
            yield None

    def _press(self, digits: str) -> Acting:
        for digit in digits:
            if digit == "w":
                yield from self._pause(KEY_PAUSE_MS)
            else:
                yield PressKey(digit)
                yield from self._pause(KEY_INTERVAL_MS)

    def _open_side(self, step: steps.SideSocket, ms: int) -> Acting:
        yield step
        # Longer than the socket itself may take: it ends on its own.
        yield from self._wait(lambda: self._senses.side_sockets_open == 0, ms + 10_000, "side socket stayed open")

    def _wait(self, until: Callable[[], bool], timeout_ms: int, complaint: str) -> Acting:
        deadline = self._senses.now + timeout_ms / 1000
        while not until():
            if self._senses.now >= deadline:
                raise _OutOfPatienceError(f"{complaint} within {timeout_ms} ms")
            yield None
