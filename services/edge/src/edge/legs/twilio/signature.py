"""Twilio's request signatures, over the address we configured, in constant time (twilio.com/docs/usage/security)."""

import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from twilio.request_validator import RequestValidator, get_signature_algorithm

from common.errors import SecurityError

Params = Mapping[str, Sequence[str]]


class _Form(dict[str, Sequence[str]]):
    """A form as the twilio library reads repeated fields."""

    def getall(self, name: str) -> Sequence[str]:
        """Every value of a field."""
        return self[name]


class SignatureCheck:
    """Knows the secrets. `check` raises `SecurityError` unless Twilio signed the request."""

    def __init__(self, auth_token: str, shared_key: str | None = None) -> None:
        self._sha1 = RequestValidator(auth_token)
        self._sha256 = RequestValidator(shared_key or auth_token)

    def check(self, url: str, params: Params, headers: Mapping[str, str]) -> None:
        """`url` is the address as configured, with its query; `params` the form's fields (none for an upgrade).

        `headers` are looked up in lower case. Signatures come as HMAC-SHA1 with the account's token, or, when the
        settings header says so, HMAC-SHA256 with the SharedKey.
        """
        given = headers.get("x-twilio-signature", "")
        algorithm = get_signature_algorithm(headers.get("x-twilio-webhooks-signature-settings")).upper()
        if algorithm not in ("HMAC_SHA1", "HMAC_SHA256"):
            raise SecurityError("bad_signature", "unsupported signature algorithm")
        validator = self._sha256 if algorithm == "HMAC_SHA256" else self._sha1
        form = _Form(params)
        expected = [validator.compute_signature(variant, form, algorithm) for variant in _with_and_without_port(url)]
        if not any(hmac.compare_digest(each.encode(), given.encode(errors="replace")) for each in expected):
            raise SecurityError("bad_signature", "the request is not signed by the account's key")


def _with_and_without_port(url: str) -> tuple[str, str]:
    """Signers differ on whether the port is part of the URL. (The library takes 80 for wss; it is 443.)"""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    host = parts.netloc.removesuffix(f":{parts.port}")
    return urlunsplit(parts._replace(netloc=host)), urlunsplit(parts._replace(netloc=f"{host}:{port}"))
