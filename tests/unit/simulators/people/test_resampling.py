"""Resampling: what the telephone can carry survives, what it cannot is gone, given samples stay."""

import math

import pytest

from simulators.people.resampling import from_phone_rate, to_phone_rate


def sine(hz: float, rate_hz: int, length_s: float = 0.2, level: int = 8000) -> list[int]:
    return [round(level * math.sin(2 * math.pi * hz * i / rate_hz)) for i in range(int(rate_hz * length_s))]


def level(samples: list[int]) -> float:
    """Root mean square, without the edges."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return math.sqrt(sum(sample**2 for sample in middle) / len(middle))


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
@pytest.mark.parametrize("hz", [200, 1000, 3000])
def test_speech_keeps_its_level_on_the_way_down(rate_hz: int, hz: int) -> None:
    down = list(to_phone_rate(sine(hz, rate_hz), rate_hz))
    assert len(down) == 1600
    assert level(down) == pytest.approx(level(sine(hz, 8000)), rel=0.03)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_what_would_fold_back_is_gone(rate_hz: int) -> None:
    hz = 6500
    assert level(list(to_phone_rate(sine(hz, rate_hz), rate_hz))) < 0.02 * level(sine(hz, rate_hz))


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
def test_on_the_way_up_every_given_sample_stays(rate_hz: int) -> None:
    given = sine(700, 8000)
    up = from_phone_rate(given, rate_hz)
    factor = rate_hz // 8000
    assert len(up) == factor * len(given)
    assert list(up[::factor]) == given


def test_what_is_filled_in_lies_on_the_curve() -> None:
    up = from_phone_rate(sine(400, 8000), 24_000)
    wanted = sine(400, 24_000)
    assert max(abs(one - other) for one, other in zip(up[6:-6], wanted[6:-6], strict=True)) < 60


def test_the_loudest_samples_are_limited_not_wrapped() -> None:
    square = ([32_767] * 5 + [-32_768] * 5) * 10
    assert max(from_phone_rate(square, 24_000)) == 32_767
    assert min(from_phone_rate(square, 24_000)) == -32_768
    assert max(to_phone_rate(from_phone_rate(square, 24_000), 24_000)) <= 32_767


def test_nothing_stays_nothing() -> None:
    assert list(from_phone_rate([], 24_000)) == list(to_phone_rate([], 24_000)) == []


@pytest.mark.parametrize("rate_hz", [0, -8000, 11_025, 44_100])
def test_other_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(ValueError, match="no multiple"):
        to_phone_rate([1], rate_hz)
    with pytest.raises(ValueError, match="no multiple"):
        from_phone_rate([1], rate_hz)
