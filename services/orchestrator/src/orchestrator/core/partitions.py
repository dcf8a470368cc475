"""Which replica follows which calls: calls fall into partitions, and each partition has one replica it prefers."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

PARTITIONS: Final = 8
"""More replicas than this bring no more room. All replicas must agree on it."""


def partition_of(call_id: str) -> int:
    """The partition of a call, the same in every process."""
    return _place("call", call_id) % PARTITIONS


def preferred(partition: int, replicas: Iterable[str]) -> str | None:
    """Which of the living replicas should have it (rendezvous hashing: a change moves only what it must)."""
    return max(replicas, key=lambda replica: (_place(f"partition-{partition}", replica), replica), default=None)


def _place(salt: str, name: str) -> int:
    return int.from_bytes(blake2b(f"{salt}\0{name}".encode(), digest_size=8).digest())
