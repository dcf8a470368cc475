"""A mark in the lowest bit of µ-law audio that says whose it is, so that a listener can tell every 10 ms apart.

Audio is never transcoded on the way, so the mark arrives as it was made. Each cell of 80 samples carries sixteen bits
to find it by, the number of its owner, its own number among the owner's cells, and a checksum. Cells may begin at
any byte; one that was cut is not found, which is why they are short.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from simulators.people.pcmu import BYTES_PER_MS

CELL_BYTES: Final = 80
CELL_MS: Final = CELL_BYTES // BYTES_PER_MS
MAX_NUMBER: Final = (1 << 20) - 1
MAX_CELL: Final = (1 << 24) - 1

_SYNC: Final = "0111110011010100"
_CHECK_BITS: Final = 20
_BIT_OF: Final = bytes(48 + (byte & 1) for byte in range(256))
_BIT_AS_BYTE: Final = bytes.maketrans(b"01", b"\x00\x01")
_UNMARKED: Final = bytes(byte | 1 for byte in range(256))


@dataclass(frozen=True, slots=True)
class Run:
    """Cells of one owner that follow each other without a gap, in the audio and in their numbers."""

    at_byte: int
    number: int
    first_cell: int
    cells: int

    @property
    def end_byte(self) -> int:
        """Where in the audio the last of them ends."""
        return self.at_byte + self.cells * CELL_BYTES

    @property
    def end_cell(self) -> int:
        """The cell after the last one."""
        return self.first_cell + self.cells


@dataclass(slots=True)
class Marker:
    """Marks the audio of one owner, cell after cell."""

    number: int
    next_cell: int = 0

    def mark(self, pcmu: bytes) -> bytes:
        """The same audio, marked on from where the last one ended; a rest shorter than a cell carries nothing."""
        marked = mark(pcmu, self.number, self.next_cell)
        self.next_cell += len(pcmu) // CELL_BYTES
        return marked


def mark(pcmu: bytes, number: int, first_cell: int) -> bytes:
    """`pcmu` with its lowest bits set to the cells of `number` from `first_cell` on."""
    cells = len(pcmu) // CELL_BYTES
    bits = "".join(_cell(number, first_cell + index) for index in range(cells)).ljust(len(pcmu), "1")
    lowest = bits.encode().translate(_BIT_AS_BYTE)
    cleared = int.from_bytes(pcmu, "big") & int.from_bytes(b"\xfe" * len(pcmu), "big")
    return (cleared | int.from_bytes(lowest, "big")).to_bytes(len(pcmu), "big")


def unmarked(pcmu: bytes) -> bytes:
    """The same audio without its lowest bits: equal for marked and unmarked audio."""
    return pcmu.translate(_UNMARKED)


def runs(pcmu: bytes) -> list[Run]:
    """Everything marked in `pcmu`, in the order heard."""
    found: list[Run] = []
    for at, number, cell in _cells(pcmu):
        if found and found[-1].number == number and (found[-1].end_byte, found[-1].end_cell) == (at, cell):
            last = found[-1]
            found[-1] = Run(last.at_byte, number, last.first_cell, last.cells + 1)
        else:
            found.append(Run(at, number, cell, 1))
    return found


def _cells(pcmu: bytes) -> Iterator[tuple[int, int, int]]:
    bits, sync = pcmu.translate(_BIT_OF), _SYNC.encode()
    at = bits.find(sync)
    while at >= 0:
        cell = _read(bits[at + len(sync) : at + CELL_BYTES])
        if cell is None:
            at += 1
        else:
            yield at, *cell
            at += CELL_BYTES
        at = bits.find(sync, at)


def _read(bits: bytes) -> tuple[int, int] | None:
    if len(bits) < CELL_BYTES - len(_SYNC):
        return None
    value, check = divmod(int(bits, 2), 1 << _CHECK_BITS)
    return divmod(value, MAX_CELL + 1) if check == _check(value) else None


def _cell(number: int, cell: int) -> str:
    value = (number & MAX_NUMBER) << 24 | cell & MAX_CELL
    return f"{_SYNC}{value << _CHECK_BITS | _check(value):064b}"


def _check(value: int) -> int:
    return zlib.crc32(value.to_bytes(6, "big")) & ((1 << _CHECK_BITS) - 1)
