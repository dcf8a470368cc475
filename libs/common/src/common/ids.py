"""Identities: how processes, facts and calls are named."""

import hashlib
import re
import secrets

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_id(kind: str) -> str:
    """A fresh id such as `edge-1f0a93c2b7d4`: one incarnation of a process, or one fact. Safe as a subject token."""
    return f"{kind}-{secrets.token_hex(6)}"


def is_subject_token(text: str) -> bool:
    """True if `text` may stand as one token of a NATS subject (and as a KV key)."""
    return _TOKEN.fullmatch(text) is not None


def call_key(call_id: str) -> int:
    """The 64-bit number that stands for a call in audio batches.

    Derived, not assigned, so that edges and talkers agree on it without telling each other.
    """
    return int.from_bytes(hashlib.blake2b(call_id.encode(), digest_size=8).digest(), "little")
