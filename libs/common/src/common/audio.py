"""The audio batch: many records of many calls in one bus message, encoded without touching the samples.

A batch is a header and its records, little-endian:

    header  "TA" | version u8 | layout u8 | count u16 | payload bytes u16
    record  call key u64 | epoch u32 | sequence u32 | timestamp ms u32 | kind u8 | payload

Layout UNIFORM: every payload has the header's size, so one `struct` reads all records at once (20 ms frames, the
common case). Layout MIXED: each record is preceded by its payload's size as u16.

`sequence` rises by one per record of a call, epoch and direction. `timestamp` is the leg's media clock for caller
audio, and the offset within its item for agent audio and text.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import chain, starmap
from typing import Final, NamedTuple, TypeAlias

from common.errors import LocalProtocolError, RemoteProtocolError

MAGIC: Final = b"TA"
VERSION: Final = 1
UNIFORM: Final = 0
MIXED: Final = 1
MAX_PAYLOAD_BYTES: Final = 0xFFFF
MAX_RECORDS: Final = 0xFFFF
MAX_BATCH_BYTES: Final = 200_000
"""Batches are split above this: a quarter of nats-server's default `max_payload`."""

_HEADER: Final = struct.Struct("<2sBBHH")
_FIXED: Final = "<QIIIB"
_FIXED_BYTES: Final = struct.calcsize(_FIXED)
_SIZE: Final = struct.Struct("<H")
RECORD_BYTES: Final = _FIXED_BYTES + _SIZE.size
"""What a record takes beside its payload, at most."""


class Kind(IntEnum):
    """What a record carries."""

    AUDIO = 1
    """pcmu, any length; from a carrier usually 160 bytes."""
    TEXT = 2
    """UTF-8 piece of what is being said; its timestamp is where in the item's audio it begins."""
    ITEM = 3
    """An agent turn begins: UTF-8 item id; its timestamp is the leg's clock when the caller stopped, 0 if unasked."""
    ITEM_END = 4
    """All audio of the item was sent: UTF-8 item id; its timestamp is the item's length in ms."""


class AudioRecord(NamedTuple):
    """One record of a batch."""

    call_key: int
    epoch: int
    sequence: int
    timestamp_ms: int
    kind: int
    payload: bytes


RawRecord: TypeAlias = tuple[int, int, int, int, int, bytes]
"""`AudioRecord`'s fields without the name: what decoding yields, because building names costs a third of it."""


@lru_cache(maxsize=256)
def _uniform(payload_bytes: int) -> struct.Struct:
    return struct.Struct(f"{_FIXED}{payload_bytes}s")


_FIXED_ONLY: Final = struct.Struct(_FIXED)


def encode(records: Sequence[RawRecord]) -> bytes:
    """One batch of 1 to 65 535 records; payloads of at most 65 535 bytes. Raises `LocalProtocolError` beyond."""
    if not 0 < len(records) <= MAX_RECORDS:
        raise LocalProtocolError(f"a batch holds 1 to {MAX_RECORDS} records, not {len(records)}")
    size = len(records[0][5])
    try:
        if all(len(record[5]) == size for record in records):
            header = _HEADER.pack(MAGIC, VERSION, UNIFORM, len(records), size)
            return b"".join(chain((header,), starmap(_uniform(size).pack, records)))
        header = _HEADER.pack(MAGIC, VERSION, MIXED, len(records), 0)
        return b"".join(chain((header,), chain.from_iterable(map(_mixed, records))))
    except struct.error as error:
        raise LocalProtocolError(f"record out of range: {error}") from error


def is_encodable(record: RawRecord) -> bool:
    """True if `encode` takes this record."""
    try:
        encode([record])
    except LocalProtocolError:
        return False
    return True


def _mixed(record: RawRecord) -> tuple[bytes, bytes, bytes]:
    payload = record[5]
    return _SIZE.pack(len(payload)), _FIXED_ONLY.pack(*record[:5]), payload


def decode(batch: bytes) -> list[RawRecord]:
    """The records of a batch, in order. Raises `RemoteProtocolError` on anything that `encode` would not build."""
    if len(batch) < _HEADER.size:
        raise RemoteProtocolError("audio batch shorter than its header")
    magic, version, layout, count, size = _HEADER.unpack_from(batch)
    if magic != MAGIC or version != VERSION or layout not in (UNIFORM, MIXED):
        raise RemoteProtocolError("not an audio batch of this version")
    if layout == MIXED:
        return _decode_mixed(batch, count)
    body = memoryview(batch)[_HEADER.size :]
    if not count or len(body) != count * (_FIXED_BYTES + size):
        raise RemoteProtocolError("audio batch of the wrong length")
    return list(_uniform(size).iter_unpack(body))


def _decode_mixed(batch: bytes, count: int) -> list[RawRecord]:
    records: list[RawRecord] = []
    at, end = _HEADER.size, len(batch)
    for _ in range(count):
        if at + _SIZE.size + _FIXED_BYTES > end:
            raise RemoteProtocolError("audio batch cut short")
        (size,) = _SIZE.unpack_from(batch, at)
        at += _SIZE.size
        fixed = _FIXED_ONLY.unpack_from(batch, at)
        at += _FIXED_BYTES
        if at + size > end:
            raise RemoteProtocolError("audio batch cut short")
        records.append((*fixed, batch[at : at + size]))
        at += size
    if at != end or not count:
        raise RemoteProtocolError("audio batch of the wrong length")
    return records
