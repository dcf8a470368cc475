"""The audio batch: every record comes back as it went in, and no bytes whatever do harm."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import audio
from common.audio import Kind, RawRecord
from common.errors import LocalProtocolError, RemoteProtocolError

GOLDENS = Path(__file__).parents[2] / "data" / "audio"

CALL = 0x0123_4567_89AB_CDEF
UNIFORM: list[RawRecord] = [
    (CALL, 1, 7, 140, Kind.AUDIO, b"\xff\x7f\x00\x80"),
    (CALL + 1, 2, 8, 160, Kind.AUDIO, b"\x01\x02\x03\x04"),
]
MIXED: list[RawRecord] = [
    (CALL, 3, 1, 2_500, Kind.ITEM, b"item_1"),
    (CALL, 3, 2, 0, Kind.AUDIO, b"\xff" * 3),
    (CALL, 3, 3, 40, Kind.TEXT, "もしもし".encode()),
    (CALL, 3, 4, 60, Kind.ITEM_END, b""),
]

records = st.tuples(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from(Kind).map(int),
    st.binary(max_size=400),
)


@pytest.mark.parametrize(("name", "batch"), [("uniform", UNIFORM), ("mixed", MIXED)])
def test_batches_travel_as_the_same_bytes_as_ever(name: str, batch: list[RawRecord]) -> None:
    golden = bytes.fromhex((GOLDENS / f"{name}.hex").read_text())
    assert audio.encode(batch).hex() == golden.hex()
    assert audio.decode(golden) == batch


@given(st.lists(records, min_size=1, max_size=40))
def test_every_batch_comes_back_as_it_went_in(batch: list[RawRecord]) -> None:
    assert audio.decode(audio.encode(batch)) == batch


@given(st.integers(0, 300).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1)))
def test_payloads_of_one_size_travel_without_sizes_of_their_own(payloads: list[bytes]) -> None:
    batch: list[RawRecord] = [(CALL, 1, index, 0, Kind.AUDIO, payload) for index, payload in enumerate(payloads)]
    encoded = audio.encode(batch)
    assert encoded[3] == audio.UNIFORM
    assert len(encoded) == 8 + sum(21 + len(payload) for payload in payloads)
    assert audio.decode(encoded) == batch


@given(st.binary(max_size=600))
def test_arbitrary_bytes_are_refused_as_the_peers_fault(hostile: bytes) -> None:
    _decode_or_refuse(hostile)


@given(st.integers(0, 2), st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=300))
def test_hostile_bytes_behind_a_plausible_header_are_refused_as_the_peers_fault(
    version: int, layout: int, count: int, size: int, body: bytes
) -> None:
    _decode_or_refuse(struct.pack("<2sBBHH", b"TA", version, layout, count, size) + body)


@given(st.lists(records, min_size=1, max_size=6), st.data())
def test_a_damaged_batch_is_refused_or_read_but_never_harms(batch: list[RawRecord], data: st.DataObject) -> None:
    encoded = bytearray(audio.encode(batch))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    _decode_or_refuse(bytes(encoded))
    _decode_or_refuse(bytes(encoded[:at]))


def _decode_or_refuse(hostile: bytes) -> None:
    try:
        decoded = audio.decode(hostile)
    except RemoteProtocolError:
        return
    assert decoded
    assert audio.decode(audio.encode(decoded)) == decoded


@pytest.mark.parametrize("batch", [UNIFORM, MIXED])
def test_a_batch_that_is_cut_short_or_continued_anywhere_is_refused(batch: list[RawRecord]) -> None:
    encoded = audio.encode(batch)
    for end in range(len(encoded)):
        with pytest.raises(RemoteProtocolError):
            audio.decode(encoded[:end])
    with pytest.raises(RemoteProtocolError):
        audio.decode(encoded + b"\x00")


@pytest.mark.parametrize("header", [b"XX\x01\x00", b"TA\x02\x00", b"TA\x01\x02"])
def test_another_magic_version_or_layout_is_refused(header: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="not an audio batch"):
        audio.decode(header + audio.encode(UNIFORM)[4:])


@pytest.mark.parametrize("layout", [audio.UNIFORM, audio.MIXED])
def test_an_empty_batch_is_refused_both_ways(layout: int) -> None:
    with pytest.raises(RemoteProtocolError):
        audio.decode(struct.pack("<2sBBHH", b"TA", 1, layout, 0, 0))
    with pytest.raises(LocalProtocolError):
        audio.encode([])


@pytest.mark.parametrize(
    "record",
    [
        (-1, 1, 1, 1, 1, b""),
        (2**64, 1, 1, 1, 1, b""),
        (1, 2**32, 1, 1, 1, b""),
        (1, 1, -1, 1, 1, b""),
        (1, 1, 1, 2**32, 1, b""),
        (1, 1, 1, 1, 256, b""),
        (1, 1, 1, 1, 1, bytes(audio.MAX_PAYLOAD_BYTES + 1)),
    ],
)
def test_a_record_out_of_range_is_our_own_fault_in_either_layout(record: RawRecord) -> None:
    sound: RawRecord = (1, 1, 1, 1, Kind.AUDIO, b"other size")
    assert audio.is_encodable(sound)
    assert not audio.is_encodable(record)
    for batch in ([record], [sound, record]):
        with pytest.raises(LocalProtocolError):
            audio.encode(batch)


def test_the_largest_payload_and_the_most_records_still_fit() -> None:
    large: RawRecord = (CALL, 1, 1, 0, Kind.AUDIO, bytes(audio.MAX_PAYLOAD_BYTES))
    assert audio.decode(audio.encode([large])) == [large]
    small: RawRecord = (CALL, 1, 1, 0, Kind.AUDIO, b"")
    assert len(audio.decode(audio.encode([small] * audio.MAX_RECORDS))) == audio.MAX_RECORDS
    with pytest.raises(LocalProtocolError):
        audio.encode([small] * (audio.MAX_RECORDS + 1))
