"""Twilio's identifiers: two letters and 32 hexadecimal digits."""

from uuid import uuid4


def call_sid() -> str:
    """A new call."""
    return f"CA{uuid4().hex}"


def stream_sid() -> str:
    """A new media stream."""
    return f"MZ{uuid4().hex}"


def account_sid() -> str:
    """Somebody else's account."""
    return f"AC{uuid4().hex}"
