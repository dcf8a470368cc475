"""Batches: how long records wait for each other, and where a large batch is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import audio
from common.audio import Kind, RawRecord
from common.bus.batcher import MAX_TICK_S, split, tick_s


def of_sizes(sizes: list[int]) -> list[RawRecord]:
    return [(1, 1, index, 0, Kind.AUDIO, bytes(size)) for index, size in enumerate(sizes)]


def test_the_wait_grows_with_the_calls_up_to_its_limit() -> None:
    waits = [tick_s(calls) for calls in range(0, 500, 10)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[-1] == MAX_TICK_S == 0.005
    assert 0 < tick_s(1) < MAX_TICK_S


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 1_200))
def test_splitting_keeps_every_record_in_order_and_every_batch_below_the_limit(sizes: list[int], limit: int) -> None:
    records = of_sizes(sizes)
    batches = split(records, limit)
    assert [record for batch in batches for record in batch] == records
    for batch in batches:
        assert len(batch) == 1 or len(audio.encode(batch)) - 8 <= limit


@given(st.lists(st.integers(0, 500), min_size=2, max_size=60), st.integers(600, 1_200))
def test_no_two_neighbouring_batches_would_have_fitted_into_one(sizes: list[int], limit: int) -> None:
    batches = split(of_sizes(sizes), limit)
    for first, second in pairwise(batches):
        together = [*first, second[0]]
        assert sum(audio.RECORD_BYTES + len(record[5]) for record in together) > limit


@pytest.mark.parametrize("sizes", [[0] * 200_000, [160] * 10_000, [audio.MAX_PAYLOAD_BYTES] * 20])
def test_whatever_has_gathered_can_be_encoded_and_fits_into_a_nats_message(sizes: list[int]) -> None:
    for batch in split(of_sizes(sizes)):
        assert len(audio.encode(batch)) < 1024 * 1024 / 4
