"""Facts of a made-up call, and the profile it is steered by."""

from typing import Any

from common.agents import FRONT, OutputRules, Specialist, ToolGrant
from common.messages.facts import AgentSaid, AnyFact, CallerSaid, CallStarted, ToolCalled, ToolReturned
from common.profile import AgentProfile
from orchestrator.core.followed_call import FollowedCall, begin, fold

PROFILE = AgentProfile(
    name="desk",
    greeting="Hello.",
    instructions="You answer the telephone.",
    tools=(ToolGrant(name="list_tasks"),),
    agents={
        "billing": Specialist(
            when="Invoices and payments.",
            instructions="You know invoices.",
            tools=("get_invoice",),
            hands_over_to=(FRONT,),
            after_tools={"get_invoice": FRONT},
            otherwise=FRONT,
            rules=OutputRules(forbidden=("guaranteed",), must_say=("This call is recorded",)),
        ),
        "bookings": Specialist(when="Appointments.", instructions="You know the calendar."),
    },
)


def started(**changes: Any) -> CallStarted:
    return CallStarted(
        **{
            "call_id": "CA1",
            "fact_id": "fact-start",
            "leg": "twilio",
            "edge_id": "edge-1",
            "profile": "desk",
            "started_at": "2026-11-30T10:00:00Z",
            **changes,
        }
    )


def said(number: int, text: str) -> CallerSaid:
    at = number * 1_000
    return CallerSaid(
        call_id="CA1", fact_id=f"fact-c{number}", item_id=f"c{number}", text=text, start_ms=at, end_ms=at + 500
    )


def answered(number: int, text: str, heard_ms: int = 900) -> AgentSaid:
    at = number * 1_000
    return AgentSaid(
        call_id="CA1",
        fact_id=f"fact-a{number}",
        item_id=f"a{number}",
        text=text,
        start_ms=at,
        end_ms=at + 900,
        heard_ms=heard_ms,
        audio_ms=900,
    )


def asked_tool(number: int, name: str) -> ToolCalled:
    return ToolCalled(
        call_id="CA1",
        fact_id=f"fact-t{number}",
        at_ms=number * 1_000,
        item_id=f"t{number}",
        tool_call_id=f"call_{number}",
        name=name,
        arguments="{}",
    )


def returned(number: int, output: str = "{}", *, is_error: bool = False) -> ToolReturned:
    return ToolReturned(
        call_id="CA1", fact_id=f"fact-r{number}", tool_call_id=f"call_{number}", output=output, is_error=is_error
    )


def followed(*facts: AnyFact, agent: str = FRONT) -> FollowedCall:
    call: FollowedCall = {**begin("CA1"), "agent": agent}
    for fact in facts:
        call = fold(call, fact)
    return call
