"""G.711 µ-law values and the loudness that decides what is speech."""

from simulators.people.pcmu import (
    SAMPLES,
    SILENT_FRAME,
    audible_span_ms,
    is_audible,
    loudness,
    to_linear,
)


def test_the_decoder_gives_the_corner_values_of_g711() -> None:
    assert SAMPLES[0xFF] == 0
    assert SAMPLES[0x7F] == 0
    assert SAMPLES[0x80] == 32124
    assert SAMPLES[0x00] == -32124
    assert SAMPLES[0xF0] == 120


def test_linear_samples_are_little_endian() -> None:
    assert to_linear(b"\xff\x80\x00") == b"\x00\x00\x7c\x7d\x84\x82"


def test_silence_is_not_audible_whatever_its_sign_bit() -> None:
    assert loudness(SILENT_FRAME) == 0
    assert loudness(b"") == 0
    assert not is_audible(b"\x7f" * 160)


def test_a_tone_is_audible_and_faint_noise_is_not() -> None:
    assert is_audible(bytes([0xA0, 0x20] * 80))
    assert not is_audible(bytes([0xF4, 0x74] * 80))


def test_the_audible_span_leaves_out_silence_at_both_ends() -> None:
    tone = bytes([0xA0, 0x20] * 80)
    assert audible_span_ms(SILENT_FRAME * 3 + tone * 2 + SILENT_FRAME) == (60, 100)
    assert audible_span_ms(SILENT_FRAME) == (0, 0)
