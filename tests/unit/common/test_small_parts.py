"""pcmu arithmetic, ids, backoff and errors: the parts with one rule each."""

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import backoff, errors, ids, pcmu


def test_a_frame_is_20_ms_and_160_bytes() -> None:
    assert pcmu.FRAME_BYTES == 160
    assert pcmu.duration_ms(bytes(pcmu.FRAME_BYTES)) == pcmu.FRAME_MS == 20


def test_a_begun_millisecond_does_not_count() -> None:
    assert [pcmu.duration_ms(bytes(size)) for size in (0, 7, 8, 15, 16)] == [0, 0, 1, 1, 2]


def test_silence_is_as_long_as_asked_and_of_the_quietest_value() -> None:
    assert pcmu.silence(20) == b"\xff" * 160
    assert pcmu.silence(0) == b""


def test_ids_name_their_kind_and_are_never_the_same() -> None:
    made = {ids.new_id("edge") for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(each.startswith("edge-") and ids.is_subject_token(each) for each in made)


@pytest.mark.parametrize("token", ["CA" + "0" * 32, "edge-1f0a93c2b7d4", "a", "A_b-9", "x" * 64])
def test_ids_may_stand_in_a_subject(token: str) -> None:
    assert ids.is_subject_token(token)


@pytest.mark.parametrize(
    "text", ["", "a.b", "a*", ">", "a b", "a\n", "a\r\nPUB x 0", "é", "０", "x" * 65, "$JS", "a/b", "a:b"]
)
def test_what_would_change_a_subjects_meaning_may_not(text: str) -> None:
    assert not ids.is_subject_token(text)


def test_a_calls_key_is_the_same_in_every_process_and_release() -> None:
    assert ids.call_key("CA00000000000000000000000000000001") == 4408984462612003641
    assert ids.call_key("") != ids.call_key("CA")


@given(st.text())
def test_a_calls_key_fits_into_64_bits(call_id: str) -> None:
    assert 0 <= ids.call_key(call_id) < 2**64


def test_waits_double_up_to_their_cap() -> None:
    assert list(islice(backoff.delays(0.5, 4, jitter=0), 6)) == [0.5, 1, 2, 4, 4, 4]


@given(st.integers())
def test_waits_are_spread_but_never_by_more_than_the_jitter(seed: int) -> None:
    spread = islice(backoff.delays(1, 8, jitter=0.25, rng=random.Random(seed)), 6)
    for wait, exact in zip(spread, (1, 2, 4, 8, 8, 8), strict=True):
        assert exact * 0.75 <= wait <= exact * 1.25


def test_two_processes_do_not_wait_in_step() -> None:
    assert list(islice(backoff.delays(1, 8), 5)) != list(islice(backoff.delays(1, 8), 5))


ERRORS = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.TrunklineError)
]


def test_every_error_has_a_code_of_its_own_fit_for_a_label() -> None:
    codes = [each.code for each in ERRORS]
    assert len(set(codes)) == len(codes)
    assert all(code.isidentifier() and code.islower() for code in codes)


def test_only_errors_that_may_pass_by_themselves_are_worth_a_retry() -> None:
    retryable = {each.__name__ for each in ERRORS if each.retryable}
    assert retryable == {"UpstreamUnavailable", "UpstreamThrottled", "CapacityError", "DeadlineExceeded"}


def test_a_missed_deadline_names_its_step() -> None:
    error = errors.DeadlineExceeded("bus request", 0.25)
    assert str(error) == "bus request took longer than 0.25 s"
    assert error.step == "bus request"


def test_a_security_error_carries_the_label_it_is_counted_under() -> None:
    assert errors.SecurityError("bad_signature", "no").kind == "bad_signature"
