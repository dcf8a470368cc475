"""The simulated Twilio cloud of one process: places calls, ticks them, answers its REST API."""

import asyncio
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from simulators.twilio.call import Call
from simulators.twilio.clock import FrameClock, Lateness
from simulators.twilio.diary import OnEvent
from simulators.twilio.plan import CallPlan
from simulators.twilio.rest import build_app
from simulators.twilio.result import CallResult


class TwilioCloud:
    """Use as `async with TwilioCloud() as cloud: result = await cloud.place_call(plan)`; calls may overlap.

    With `rest_port` (0: any free one, then see `rest_url`) the calls can be updated by REST while they run.
    """

    def __init__(self, rest_port: int | None = None, rest_host: str = "127.0.0.1") -> None:
        self._rest = None if rest_port is None else (rest_host, rest_port)
        self._clock = FrameClock()
        self._calls: dict[str, Call] = {}
        self._http: aiohttp.ClientSession | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self.rest_url: str | None = None

    @property
    def lateness(self) -> Lateness:
        """How honest the 20 ms clock was, over all calls."""
        return self._clock.lateness

    async def __aenter__(self) -> Self:
        """Start the clock, and the REST API if wanted."""
        connector = aiohttp.TCPConnector(limit=0)
        # A real cloud has many machines: no cookies, no shared state between requests.
        self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._ticking = asyncio.create_task(self._clock.run())
        if self._rest is not None:
            await self._start_rest(*self._rest)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything; calls still running lose their clock, so await them before."""
        assert self._http is not None
        assert self._ticking is not None
        if self._runner is not None:
            await self._runner.cleanup()
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        await self._http.close()

    async def place_call(self, plan: CallPlan, on_event: OnEvent | None = None) -> CallResult:
        """Place one call and return what happened, once it has ended; `on_event` hears the timeline as it goes."""
        assert self._http is not None, "use TwilioCloud as an async context manager"
        call = Call(plan, self._http, self._clock, on_event)
        self._calls[call.sid] = call
        return await call.run()

    async def _start_rest(self, host: str, port: int) -> None:
        self._runner = web.AppRunner(build_app(self._calls), access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0]
        self.rest_url = f"http://{bound[0]}:{bound[1]}"


async def place_call(plan: CallPlan, on_event: OnEvent | None = None) -> CallResult:
    """Place a single call in a cloud of its own."""
    async with TwilioCloud() as cloud:
        return await cloud.place_call(plan, on_event)
