"""What Twilio posts to a webhook: read once its signature is checked, answered in TwiML."""

import re
from typing import Final, TypeAlias
from urllib.parse import parse_qs

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from common.errors import RemoteProtocolError, SecurityError
from edge.legs.twilio.signature import SignatureCheck
from edge.settings import EdgeSettings

MAX_BODY_BYTES: Final = 64 * 1024
_CALL_SID: Final = re.compile(r"CA[0-9a-f]{32}")
_OVER: Final = frozenset({"completed", "failed", "canceled", "busy", "no-answer"})

Form: TypeAlias = dict[str, list[str]]


class TwilioForms:
    """Reads the forms of one account."""

    def __init__(self, settings: EdgeSettings, signatures: SignatureCheck) -> None:
        self._public_base_url = settings.public_base_url
        self._account_sid = settings.twilio_account_sid
        self._signatures = signatures

    async def read(self, request: Request) -> Form:
        """The form, once Twilio's signature over it is checked. Raises what `edge.app` turns into 400 or 403."""
        body = await _body(request)
        try:
            form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError as error:
            raise RemoteProtocolError("webhook body is no form") from error
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{self._public_base_url}{request.url.path}{query}"
        self._signatures.check(url, form, request.headers)
        if one(form, "AccountSid") != self._account_sid:
            raise SecurityError("unknown_account", "the call belongs to another account")
        call_sid(form, "CallSid")
        return form


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise RemoteProtocolError("webhook body too large")
    except ClientDisconnect as error:
        raise RemoteProtocolError("the peer went before its body was whole") from error
    return bytes(body)


def call_sid(form: Form, name: str) -> str:
    """The id of a call. Raises `RemoteProtocolError`: it becomes part of subjects and keys."""
    value = one(form, name)
    if not _CALL_SID.fullmatch(value):
        raise RemoteProtocolError(f"{name} is missing or malformed")
    return value


def one(form: Form, name: str) -> str:
    """A field; empty if there is none."""
    return form.get(name, [""])[0]


def is_over(form: Form) -> bool:
    """True if the caller is gone."""
    return one(form, "CallStatus") in _OVER


def xml(document: str) -> Response:
    """TwiML as an answer."""
    return Response(document, media_type="text/xml")
