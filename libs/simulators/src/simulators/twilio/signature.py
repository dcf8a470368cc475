"""How Twilio signs what it sends, written from its documentation (usage/security, "Validating requests")."""

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha1, sha256

SIGNATURE_HEADER = "X-Twilio-Signature"
SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"

Parameters = tuple[tuple[str, str], ...]


class SignatureFault(StrEnum):
    """What a script may do to a signature."""

    GOOD = "good"
    BAD = "bad"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A webhook signing key: Twilio then uses HMAC-SHA256 with its secret and names the key in a header."""

    sid: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests with the account's auth token, or with a shared key if there is one."""

    auth_token: str = field(repr=False)
    shared_key: SharedKey | None = None

    def headers(
        self, url: str, parameters: Iterable[tuple[str, str]] = (), fault: SignatureFault = SignatureFault.GOOD
    ) -> dict[str, str]:
        """The signature headers of a request to exactly this URL with these POST parameters."""
        if fault is SignatureFault.MISSING:
            return {}
        if fault is SignatureFault.BAD:
            return {SIGNATURE_HEADER: self._signature(url + "#forged", parameters)}
        headers = {SIGNATURE_HEADER: self._signature(url, parameters)}
        if self.shared_key is not None:
            headers[SETTINGS_HEADER] = f"key={self.shared_key.sid},algorithm=HMAC_SHA256"
        return headers

    def _signature(self, url: str, parameters: Iterable[tuple[str, str]]) -> str:
        # Each name and value follow the URL without any separator, sorted; a repeated pair counts once.
        text = url + "".join(name + value for name, value in sorted(set(parameters)))
        secret, digest = (self.auth_token, sha1) if self.shared_key is None else (self.shared_key.secret, sha256)
        return base64.b64encode(hmac.new(secret.encode(), text.encode(), digest).digest()).decode()
