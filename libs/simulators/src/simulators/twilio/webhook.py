"""Signed HTTP requests of the Twilio cloud to the application."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
from yarl import URL

from simulators.twilio.notices import TwilioError
from simulators.twilio.plan import CallPlan
from simulators.twilio.signature import Parameters, SignatureFault
from simulators.twilio.twiml import MAX_DOCUMENT_BYTES
from simulators.twilio.twiml_fields import Target

_FORM = "application/x-www-form-urlencoded; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application answered; the body is cut one byte above the allowed size."""

    url: str
    status: int
    content_type: str
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Requests of one call's account; `fault` spoils their signatures."""

    http: aiohttp.ClientSession
    plan: CallPlan
    fault: SignatureFault = SignatureFault.GOOD

    async def request(self, target: Target, parameters: Parameters, max_bytes: int = MAX_DOCUMENT_BYTES) -> Answer:
        """Send the parameters to the target, signed; raise TwilioError 11200 or 11205 if there is no answer."""
        url, body = target.url, urlencode(parameters)
        signed: Parameters = parameters
        if target.method == "GET":
            url, body, signed = f"{url}{'&' if '?' in url else '?'}{body}", "", ()
        url = self.plan.tunnel.public(url)
        route = self.plan.tunnel.route(url)
        headers = self._headers(route.host) | self.plan.signer.headers(url, signed, self.fault)
        if target.method == "POST":
            headers["Content-Type"] = _FORM
        try:
            async with (
                asyncio.timeout(self.plan.webhook_timeout_s),
                self.http.request(
                    target.method,
                    URL(route.url, encoded=True),
                    data=body.encode() if target.method == "POST" else None,
                    headers=headers,
                    allow_redirects=False,
                    ssl=self.plan.tls if self.plan.tls is not None else True,
                ) as response,
            ):
                content = await _read(response, max_bytes)
                return Answer(url, response.status, response.headers.get("Content-Type", ""), content)
        except TimeoutError as error:
            raise TwilioError(11200, f"{url}: no answer within {self.plan.webhook_timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise TwilioError(11205, f"{url}: {error}") from error

    def _headers(self, host: str) -> dict[str, str]:
        return {
            "Host": host,
            "Accept": "*/*",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": str(uuid4()),
        }


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body, without reading more of an endless one than is needed to refuse it."""
    body = bytearray()
    async for piece in response.content.iter_chunked(16 * 1024):
        body += piece
        if len(body) > max_bytes:
            return bytes(body[: max_bytes + 1])
    return bytes(body)
