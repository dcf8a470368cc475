"""One simulated call from placing to its last fact, shown as it happens."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.bus.connection import Bus
from common.errors import TrunklineError
from common.messages.facts import AnyFact
from trunkline.demo.follow import FactListener
from trunkline.demo.report import CallerResult
from trunkline.demo.timeline import Line, line_of_caller_event, line_of_fact
from trunkline.demo.view import View
from trunkline.stack.process import Process

_LAST_FACT_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to dial and where to leave what comes of it."""

    voice_url: str
    """The webhook as this machine reaches it."""
    public_base_url: str
    """The address that is signed: where Twilio would reach it."""
    account_sid: str
    auth_token: str
    script: Path
    recording: Path
    result: Path
    log: Path
    environment: Mapping[str, str]
    caller_number: str = "+15550100001"
    dialled_number: str = "+15550100100"


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call that is over."""

    result: CallerResult
    facts: tuple[AnyFact, ...]


class Placing:
    """Places one call: the caller is a process of its own, the facts come from the bus."""

    def __init__(self, order: Order, bus: Bus, view: View) -> None:
        self._order = order
        self._view = view
        self._listener = FactListener(bus, self._on_fact)

    async def run(self) -> PlacedCall:
        """Place the call and follow it to its end. Raises `TrunklineError` if the caller could not even dial."""
        await self._listener.start()
        await self._call()
        result = self._read_result()
        self._listener.follow(result.call_sid)
        if self._listener.facts:
            await self._listener.wait_ended(_LAST_FACT_WITHIN_S)
        return PlacedCall(result, tuple(self._listener.facts))

    async def _call(self) -> None:
        order = self._order
        order.result.unlink(missing_ok=True)
        caller = await Process.start(_command(order), _environment(order))
        try:
            with order.log.open("w", encoding="utf-8") as log:
                async for line in caller.lines():
                    if not self._is_event(line):
                        log.write(line + "\n")
            await caller.wait()
        finally:
            caller.kill()

    def _is_event(self, line: str) -> bool:
        """Take in one line of the caller; False if it is not one of its events."""
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            return False
        if not isinstance(event, dict) or "event" not in event:
            return False
        self._show(line_of_caller_event(event))
        if call_sid := event.get("call_sid"):
            self._listener.follow(str(call_sid))
        return True

    def _on_fact(self, fact: AnyFact) -> None:
        self._show(line_of_fact(fact))

    def _show(self, line: Line | None) -> None:
        if line is not None:
            self._view.show(line)

    def _read_result(self) -> CallerResult:
        try:
            summary = json.loads(self._order.result.read_text(encoding="utf-8"))
            return CallerResult.model_validate(summary["calls"][0])
        except OSError:
            raise TrunklineError(f"the caller could not dial; see {self._order.log}") from None
        except (ValueError, LookupError, TypeError):
            raise TrunklineError(f"the caller's result {self._order.result} cannot be read") from None


def _command(order: Order) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "simulators.twilio", "--events"),
        *("--voice-url", order.voice_url, "--public-base-url", order.public_base_url),
        *("--from", order.caller_number, "--to", order.dialled_number),
        *("--account-sid", order.account_sid),
        *("--script", str(order.script)),
        *("--record", str(order.recording), "--result", str(order.result)),
    )


def _environment(order: Order) -> dict[str, str]:
    """The token goes this way, since every user of the machine can read command lines."""
    return {**order.environment, "TWILIO_AUTH_TOKEN": order.auth_token}
