"""The stream token: carries what the webhook learned to whichever edge meets the socket, signed and short-lived."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

import msgspec

from common.errors import SecurityError

MAX_AGE_S: Final = 60.0
_SKEW_S: Final = 5.0
"""Edges' wall clocks may differ a little; the token is the one place where two of them meet."""


class StreamToken(
    msgspec.Struct,
    frozen=True,
    rename={"call_sid": "c", "profile": "p", "caller": "f", "dialled": "t", "is_resumed": "r"},
):
    """Who calls whom, answered by which agent. `nonce` is spent once."""

    call_sid: str
    profile: str
    caller: str
    dialled: str
    is_resumed: bool = False
    """The call had a stream before: somebody may know its past even if the registry does not."""
    nonce: str = ""
    issued_at: float = 0.0


class TokenMint:
    """Issues and reads tokens with a key derived from the account's secret, so that all edges share it."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"trunkline stream token v1", hashlib.sha256)

    def issue(self, token: StreamToken, wall_now: float) -> str:
        """The token as it travels in `<Parameter>`, signed, with a fresh nonce and the time."""
        fresh = msgspec.structs.replace(token, nonce=secrets.token_urlsafe(12), issued_at=round(wall_now, 1))
        body = base64.urlsafe_b64encode(msgspec.json.encode(fresh))
        return f"{body.decode()}.{self._sign(body)}"

    def read(self, text: str, wall_now: float) -> StreamToken:
        """The token. Raises `SecurityError` of kind `missing_token`, `bad_token` or `expired_token`."""
        if not text:
            raise SecurityError("missing_token", "the stream brings no token")
        body, _, signature = text.partition(".")
        if not text.isascii() or not hmac.compare_digest(self._sign(body.encode()).encode(), signature.encode()):
            raise SecurityError("bad_token", "the stream's token is not ours")
        try:
            token = msgspec.json.decode(base64.urlsafe_b64decode(body), type=StreamToken)
        except (msgspec.MsgspecError, binascii.Error) as error:
            raise SecurityError("bad_token", "the stream's token cannot be read") from error
        if not -_SKEW_S <= wall_now - token.issued_at <= MAX_AGE_S:
            raise SecurityError("expired_token", "the stream's token is too old")
        return token

    def _sign(self, body: bytes) -> str:
        digest = hmac.digest(self._key, body, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
