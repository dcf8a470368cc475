"""Rescue: calls of a lost edge that do not come back by themselves are brought back by Twilio's REST API."""

import asyncio
import time
from typing import Final, Literal, TypeAlias

import aiohttp

from common import logs, metrics
from common.errors import UpstreamUnavailable
from edge.registry import Registry
from edge.settings import EdgeSettings

log = logs.get("rescue")

AFTER_S: Final = 2.0
"""By then Twilio has come back by itself, if it noticed that its socket is dead."""
EVERY_S: Final = 0.1
_ANSWER_WITHIN_S: Final = 5.0
_NOT_IN_PROGRESS: Final = 21220
"""Twilio's error code for a call that cannot be redirected because it is over."""
_WAITING_AT_MOST: Final = 10_000

Result: TypeAlias = Literal["asked", "over", "throttled", "refused", "unreachable"]


class Rescue:
    """Tells Twilio to fetch `/twilio/resume` for a call, at most ten calls a second. One edge does it for each call."""

    def __init__(self, settings: EdgeSettings, registry: Registry) -> None:
        self._registry = registry
        user, password = settings.rest_credentials
        self._auth = aiohttp.encode_basic_auth(user, password)
        account = settings.twilio_account_sid
        self._calls_url = f"{settings.twilio_api_base_url.rstrip('/')}/2010-04-01/Accounts/{account}/Calls"
        self._form = {"Url": settings.url("/twilio/resume"), "Method": "POST"}
        self._waiting: asyncio.Queue[tuple[float, str, str]] = asyncio.Queue(_WAITING_AT_MOST)

    def on_orphan(self, edge_id: str, call_id: str) -> None:
        """The edge of this call was lost just now."""
        if not self._waiting.full():
            self._waiting.put_nowait((time.monotonic() + AFTER_S, edge_id, call_id))

    async def run(self) -> None:
        """Bring back what is still lost when its time has come, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
            while True:
                due, edge_id, call_id = await self._waiting.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if await self._is_ours_to_rescue(edge_id, call_id):
                    await self._rescue(http, call_id)
                    await asyncio.sleep(EVERY_S)

    async def _is_ours_to_rescue(self, edge_id: str, call_id: str) -> bool:
        """True if the call has not come back, and no other edge rescues it."""
        try:
            held = await self._registry.read(call_id)
        except UpstreamUnavailable:
            return False
        if held is None or held.entry.edge_id != edge_id or held.entry.state != "live":
            return False
        if held.entry.transfer_to:  # its caller needs no edge: the carrier dials, and tells any of us how that went
            return False
        return await self._registry.is_first(f"rescue.{call_id}.{edge_id}") is True

    async def _rescue(self, http: aiohttp.ClientSession, call_id: str) -> None:
        result = await self._ask(http, call_id)
        metrics.RESCUES.labels(result).inc()
        level = log.info if result in ("asked", "over") else log.warning
        level("asked the carrier to bring a call back", extra=logs.fields(call=call_id, result=result))

    async def _ask(self, http: aiohttp.ClientSession, call_id: str) -> Result:
        try:
            async with http.post(
                f"{self._calls_url}/{call_id}.json",
                data=self._form,
                headers={"Authorization": self._auth},
                allow_redirects=False,
            ) as response:
                return await _result(response)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return "unreachable"


async def _result(response: aiohttp.ClientResponse) -> Result:
    if 200 <= response.status < 300:
        return "asked"
    if response.status in (404, 409):
        return "over"
    if response.status == 429:
        return "throttled"
    try:
        body = await response.json(content_type=None)
    except ValueError:
        body = None
    return "over" if isinstance(body, dict) and body.get("code") == _NOT_IN_PROGRESS else "refused"
