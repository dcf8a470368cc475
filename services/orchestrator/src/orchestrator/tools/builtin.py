"""The tools that act on the call itself, which exist without being listed anywhere; profiles grant them by name."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus
from common.bus.history import facts_of
from common.messages.base import decode_as
from common.messages.facts import AnyFact, DigitsPressed, Fact, ToolCalled
from common.messages.tools import DIGITS, HangUpOrder, SendDigitsOrder, ToolOrder, TransferOrder
from orchestrator.core.keyed_digits import KeyedDigits
from orchestrator.core.tool_rules import TRANSFER, ToolClass, rules_of
from orchestrator.tools.context import ToolContext
from orchestrator.tools.tool import Ordered, Tool

_HISTORY_WITHIN_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60


def builtins(bus: Bus) -> tuple[Tool, ...]:
    """All of them."""
    return (
        _tool(
            TRANSFER,
            "Gives the caller to a human colleague. Say that you are connecting them before you use it.",
            {
                "to": {"type": "string", "description": "Whom to connect them with"},
                "summary": {
                    "type": "string",
                    "maxLength": 1_000,
                    "description": "What the colleague is told alone, before the caller is there: who calls, what they "
                    "want and what was tried, in two or three sentences, in the language of the call",
                },
            },
            _Orders(_transfer, "The caller is being connected. Say nothing more."),
            required=("to",),
            choices={"to": "transfers"},
        ),
        _tool(
            "end_call",
            "Ends the call. Use it when the caller has said goodbye or wants to end, after your own goodbye.",
            {"reason": {"type": "string", "maxLength": 200, "description": "Why, in a few words"}},
            _Orders(_hang_up, "The call ends now. Say nothing more."),
        ),
        _tool(
            "send_digits",
            "Plays the tones of telephone keys to the other side, for a menu or an extension.",
            {"digits": {"type": "string", "pattern": DIGITS, "description": "Keys 0 to 9, *, #, A to D"}},
            _Orders(_send_digits, "The tones are being played."),
        ),
        _tool(
            "collect_digits",
            "Waits for keys the caller presses. Ask them to key in the number before you use it.",
            _COLLECTED,
            _CollectDigits(bus),
            required=("length",),
            timeout_s=_LONGEST_WAIT_S + 5.0,
        ),
    )


_COLLECTED: Final[dict[str, Any]] = {
    "length": {"type": "integer", "minimum": 1, "maximum": 32, "description": "How many keys at most"},
    "terminator": {"type": "string", "enum": ["#", "*", ""], "description": "The key that ends it; default #"},
    "timeout_s": {"type": "integer", "minimum": 3, "maximum": _LONGEST_WAIT_S, "description": "Default 20"},
}


def _tool(
    name: str,
    description: str,
    properties: Mapping[str, Any],
    body: "_Orders | _CollectDigits",
    *,
    required: Sequence[str] | None = None,
    timeout_s: float = 5.0,
    choices: Mapping[str, str] | None = None,
) -> Tool:
    parameters = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }
    rules = rules_of(name, ToolClass.TELEPHONY)
    return Tool(name, description, parameters, rules, body, timeout_s=timeout_s, choices=choices or {})


def _transfer(arguments: Mapping[str, Any]) -> ToolOrder:
    return TransferOrder(to=arguments["to"], summary=arguments.get("summary", ""))


def _hang_up(_arguments: Mapping[str, Any]) -> ToolOrder:
    return HangUpOrder()


def _send_digits(arguments: Mapping[str, Any]) -> ToolOrder:
    return SendDigitsOrder(digits=arguments["digits"])


class _Orders:
    """Does nothing itself: the talker, where the call is, is told what to do."""

    def __init__(self, order: Any, told: str) -> None:
        self._order, self._told = order, told

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """Python's `$` lets a line end pass, which no key has."""
        named = (str(value) for name, value in arguments.items() if name != "summary")
        return "not a name or a key" if any("\n" in value for value in named) else None

    async def run(self, _context: ToolContext, arguments: Mapping[str, Any]) -> object:
        return Ordered(self._told, self._order(arguments))


class _CollectDigits:
    """Listens to the facts of the call, and reads what was pressed since the model asked."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def fault(self, _arguments: Mapping[str, Any]) -> str | None:
        return None

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> object:
        pressed = _Pressed(KeyedDigits(arguments["length"], arguments.get("terminator", "#")))
        stop = await self._bus.subscribe(subjects.fact(context.call_id), pressed.take)
        try:
            before, _ = await facts_of(self._bus, context.call_id, _HISTORY_WITHIN_S)
            pressed.begin(_since(before, context.tool_call_id))
            await pressed.wait(arguments.get("timeout_s", 20))
        finally:
            await stop()
        return {"digits": pressed.keyed.digits, "ended_by": pressed.keyed.ended_by}


class _Pressed:
    """Live presses wait until those before them are known."""

    def __init__(self, keyed: KeyedDigits) -> None:
        self.keyed = keyed
        self._early: list[DigitsPressed] | None = []
        self._complete = asyncio.Event()

    def take(self, message: Msg) -> None:
        """A fact of the call, live."""
        fact = decode_as(Fact, message.data)
        if not isinstance(fact, DigitsPressed):
            return
        if self._early is not None:
            self._early.append(fact)
        else:
            self._press(fact)

    def begin(self, before: Sequence[DigitsPressed]) -> None:
        """What was pressed before we listened; then what has come meanwhile."""
        early, self._early = self._early or [], None
        for fact in (*before, *early):
            self._press(fact)

    async def wait(self, timeout_s: float) -> None:
        """Until it is complete, `timeout_s` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._complete.wait()

    def _press(self, fact: DigitsPressed) -> None:
        self.keyed.press(fact.fact_id, fact.digits)
        if self.keyed.is_complete:
            self._complete.set()


def _since(facts: Sequence[AnyFact], tool_call_id: str) -> list[DigitsPressed]:
    """What was pressed after the tool was asked for; nothing if that is not known."""
    for index, fact in enumerate(facts):
        if isinstance(fact, ToolCalled) and fact.tool_call_id == tool_call_id:
            return [each for each in facts[index:] if isinstance(each, DigitsPressed)]
    return []
