"""The load is what it says: 50 frames a second, spread evenly, an agent that speaks half of the time."""

import pytest

from bench.playout import Playout
from bench.schedule import (
    CYCLE_S,
    CYCLES,
    DELTA_EVERY_S,
    DELTA_S,
    REPLY_DELTAS,
    Act,
    FrameClock,
    cycle,
    first_cycle_at,
)


def test_every_call_sends_each_20_ms_and_the_calls_are_spread_over_them() -> None:
    clock = FrameClock(calls=4, started_at=100.0)
    seen = []
    for _ in range(8):
        seen.append(clock.next_due())
        clock.advance()
    assert [call for call, _ in seen] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [due for _, due in seen] == pytest.approx([100 + n * 0.005 for n in range(8)])


def test_an_hour_of_frames_does_not_drift() -> None:
    clock = FrameClock(calls=200, started_at=0.0, sent=200 * 50 * 3600)
    call, due = clock.next_due()
    assert call == 0
    assert due == pytest.approx(3600.0, abs=1e-6)


def test_steps_of_a_cycle_are_in_order_and_within_it() -> None:
    for number in range(CYCLES):
        times = [step.at_s for step in cycle(number)]
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] < CYCLE_S


def test_every_second_cycle_is_interrupted_while_the_agent_is_heard() -> None:
    assert [heard(number)[1] for number in range(CYCLES)] == [[], [True], [], [True]]


def test_the_agent_is_heard_half_of_the_time() -> None:
    share = sum(heard(number)[0] for number in range(CYCLES)) / (CYCLES * CYCLE_S)
    assert share == pytest.approx(0.5, abs=0.02)


def test_no_reply_is_still_heard_when_the_next_cycle_begins() -> None:
    for number in range(CYCLES):
        last_reply = max(step.at_s for step in cycle(number) if step.act is Act.REPLY)
        assert last_reply + REPLY_DELTAS * DELTA_S <= CYCLE_S


def test_first_cycles_are_spread_over_a_cycle_and_wait_for_the_greeting() -> None:
    begins = [first_cycle_at(call, 10, epoch=50.0, not_before=53.0) for call in range(10)]
    assert min(begins) >= 53.0
    assert max(begins) < 53.0 + CYCLE_S
    assert sorted((begin - 50.0) % CYCLE_S for begin in begins) == pytest.approx([n * CYCLE_S / 10 for n in range(10)])


def heard(number: int) -> tuple[float, list[bool]]:
    """Seconds heard in one cycle, and for each interruption whether something was being heard."""
    playout, interruptions, total = Playout(), [], 0.0
    deltas: list[float] = []
    steps = list(cycle(number))
    for tick in range(round(CYCLE_S * 100)):
        now = tick / 100
        while steps and steps[0].at_s <= now:
            step = steps.pop(0)
            if step.act is Act.REPLY:
                deltas = [step.at_s + n * DELTA_EVERY_S for n in range(REPLY_DELTAS)]
            elif step.act is Act.INTERRUPT:
                interruptions.append(playout.is_playing(now))
                playout.clear(now)
                deltas = []
        while deltas and deltas[0] <= now:
            deltas.pop(0)
            playout.play(round(DELTA_S * 8000), now)
        total += playout.is_playing(now) / 100
    return total, interruptions
