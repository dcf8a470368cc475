"""Speech is loud, pauses and lines are not."""

import pytest

from common.pcmu import FRAME_BYTES, silence
from edge.core.clip import CLIP
from edge.core.loudness import is_loud
from simulators.people import recordings


@pytest.mark.parametrize("name", ["caller-1", "caller-2", "caller-3", "caller-4", "caller-5"])
def test_a_person_is_loud_while_they_speak_and_only_then(name: str) -> None:
    pcmu = recordings.load(name).pcmu
    frames = [is_loud(pcmu[at : at + FRAME_BYTES]) for at in range(0, len(pcmu), FRAME_BYTES)]
    first, last = frames.index(True), len(frames) - frames[::-1].index(True)
    assert not any(frames[:10]), "the breath before the first word"
    assert not any(frames[-10:]), "the pause after the last"
    pauses = "".join("#" if loud else "." for loud in frames[first:last]).split("#")
    assert max(map(len, pauses)) * 20 < 400, "nobody would take this for the end"


def test_nothing_silence_and_a_line_that_hums_are_not_loud() -> None:
    hum = bytes([0xF4, 0x74]) * (FRAME_BYTES // 2)
    assert not any(map(is_loud, (b"", silence(20), b"\x7f" * FRAME_BYTES, hum)))


@pytest.mark.parametrize("code", [0x00, 0x80])
def test_the_loudest_there_is_is_loud_on_both_sides(code: int) -> None:
    assert is_loud(bytes([code]) * FRAME_BYTES)
    assert is_loud(bytes([code]))


def test_our_own_clip_would_be_heard() -> None:
    assert is_loud(CLIP)
