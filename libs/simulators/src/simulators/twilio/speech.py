"""What the caller hears of `<Say>`: a recording of the same words if there is one, else a murmur of their length."""

from simulators.people import recordings
from simulators.people.pcmu import BYTES_PER_MS, SILENCE

APOLOGY = "We are sorry. An application error has occurred. Goodbye."

# A quiet 200 Hz square wave: clearly audible to the ear and to an energy detector, clearly nobody's voice.
_TONE = bytes([0xB8] * 20 + [0x38] * 20)
_GAP_MS = 60


def spoken(text: str, ms_per_character: float) -> bytes:
    """The words as 8 kHz µ-law."""
    for recording in recordings.load_all():
        if recording.text == text:
            return recording.pcmu
    return b"".join(_word(word, ms_per_character) for word in text.split())


def _word(word: str, ms_per_character: float) -> bytes:
    size = max(_GAP_MS, round(len(word) * ms_per_character)) * BYTES_PER_MS
    tone = (_TONE * (size // len(_TONE) + 1))[:size]
    return tone + bytes([SILENCE]) * (_GAP_MS * BYTES_PER_MS)
