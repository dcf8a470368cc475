"""Replicas of the fallback service, in this process or as the real one, and everything they tell the fleet."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from common import subjects
from common.messages.base import decode_as
from common.messages.breaker import (
    BreakerMode,
    BreakerOrder,
    BreakersAsked,
    BreakerStanding,
    BreakerStandings,
    ProbeSession,
    SessionProbed,
)
from common.messages.facts import BreakerChanged, Fact
from common.messages.outcome import Outcome
from fakes.waiting import until
from fallback.bootstrap import build
from fallback.settings import FallbackSettings
from talker.service import TalkerService

MODEL = "gpt-realtime-2.1"
QUICK: dict[str, Any] = {
    "fallback_breaker_open_s": 0.2,
    "fallback_breaker_open_at_most_s": 0.2,
    "fallback_breaker_dwell_s": 0.1,
    "fallback_breaker_ramp_step_s": 0.3,
    "fallback_breaker_probe_within_s": 0.5,
}


@dataclass
class Fleet:
    """Who attempts things at the provider, who listens, and a worker that probes, with a connection of its own."""

    client: Client
    said: list[BreakerStandings] = field(default_factory=list)
    facts: list[BreakerChanged] = field(default_factory=list)
    probed: list[ProbeSession] = field(default_factory=list)
    probe_error: str | None = ""
    """What a probe comes to; None: no answer."""

    async def start(self) -> None:
        await self.client.subscribe(subjects.ALL_BREAKERS, cb=self._on_said)
        await self.client.subscribe(subjects.ALL_FACTS, cb=self._on_fact)
        await self.client.subscribe(subjects.probe("realtime"), queue="realtime", cb=self._on_probe)
        await self.client.flush()

    async def attempt(self, count: int, error_code: str = "", *, model: str = MODEL, connects: bool = False) -> None:
        """So many attempts, all with the same end."""
        outcome = Outcome(
            talker_id="worker-1",
            model=model,
            attempt="connect" if connects else "response",
            is_ok=not error_code,
            error_code=error_code,
            latency_ms=200,
        )
        for _ in range(count):
            await self.client.publish(subjects.outcome("openai"), outcome.encode())
        await self.client.flush()

    async def order(self, mode: BreakerMode, *, model: str = MODEL) -> BreakerStandings:
        return await self._request(BreakerOrder(provider="openai", model=model, mode=mode).encode())

    async def ask(self) -> BreakerStandings:
        """How all stand; asked again while nobody decides."""
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(NatsError):
                    return await self._request(BreakersAsked().encode())

    async def _request(self, payload: bytes) -> BreakerStandings:
        answer = await self.client.request(subjects.BREAKER_ORDERS, payload, timeout=0.5)
        return BreakerStandings.decode(answer.data)

    def standing(self, model: str = MODEL) -> BreakerStanding | None:
        """The last that was said of a breaker."""
        found = [each for said in self.said[-1:] for each in said.standings if each.model == model]
        return found[0] if found else None

    async def stands(self, state: str, model: str = MODEL) -> BreakerStanding:
        """Wait until a breaker is said to stand so."""

        def stands() -> bool:
            standing = self.standing(model)
            return standing is not None and standing.state == state

        await until(stands)
        standing = self.standing(model)
        assert standing is not None
        return standing

    async def _on_said(self, message: Msg) -> None:
        self.said.append(BreakerStandings.decode(message.data))

    async def _on_fact(self, message: Msg) -> None:
        fact = decode_as(Fact, message.data)
        if isinstance(fact, BreakerChanged) and fact.fact_id not in {each.fact_id for each in self.facts}:
            self.facts.append(fact)

    async def _on_probe(self, message: Msg) -> None:
        self.probed.append(ProbeSession.decode(message.data))
        if self.probe_error is not None:
            await message.respond(SessionProbed(talker_id="worker-1", error_code=self.probe_error).encode())


@contextlib.asynccontextmanager
async def fleet(nats_url: str) -> AsyncIterator[Fleet]:
    """The surroundings of the replicas."""
    made = Fleet(await nats.connect(nats_url))
    await made.start()
    try:
        yield made
    finally:
        await made.client.close()


@contextlib.asynccontextmanager
async def replica(nats_url: str, **changes: Any) -> AsyncIterator[TalkerService]:
    """One in this process, stopped with the context."""
    service = build(FallbackSettings(nats_url=nats_url, **changes))
    await service.start()
    try:
        yield service
    finally:
        await service.drain()
        await service.stop()


@dataclass
class ReplicaProcess:
    """`python -m fallback`."""

    process: asyncio.subprocess.Process
    log_file: Path

    @property
    def decides(self) -> bool:
        """True if the last it said of that is that it does."""
        log = self.log_file.read_text()
        return log.rfind('"this replica decides"') > log.rfind('"this replica stands by"')


@contextlib.asynccontextmanager
async def replica_process(nats_url: str, directory: Path, name: str, **given: str) -> AsyncIterator[ReplicaProcess]:
    """The real one, ready; killed with the context."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("FALLBACK_")}
    environ = {**inherited, "NATS_URL": nats_url, "FALLBACK_OPS_PORT": "0", **given}
    log_file = directory / f"{name}.log"
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fallback", env=environ, stdout=log, stderr=log
        )
    try:
        await until(lambda: '"message": "ready"' in log_file.read_text() or process.returncode is not None)
        assert process.returncode is None, log_file.read_text()
        yield ReplicaProcess(process, log_file)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
