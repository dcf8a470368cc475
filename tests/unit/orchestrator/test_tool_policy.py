"""Whether a tool may run, given what ran before in its call."""

from typing import Any

import pytest

from common.agents import Specialist, ToolGrant
from common.profile import AgentProfile
from orchestrator.core.confirmation import Agreement, Verdict
from orchestrator.core.run_state import RunState
from orchestrator.core.tool_output import Failure
from orchestrator.core.tool_policy import Ask, Go, Limits, PastRun, Refuse, asked_before, decide, is_granted
from orchestrator.core.tool_rules import TRANSFER, ToolClass, rules_of

NOBODY_ASKED = Verdict(Agreement.MISSING)
READ = rules_of("look_up", ToolClass.READ)
MONEY = rules_of("pay", ToolClass.MONEY, is_confirmed=False)
CONFIRMED = rules_of("delete", ToolClass.WRITE, is_confirmed=True)
TRANSFERS = rules_of(TRANSFER, ToolClass.TELEPHONY)


def past(name: str = "look_up", tool_class: ToolClass = ToolClass.READ, **changes: Any) -> PastRun:
    values: dict[str, Any] = {
        "tool_call_id": "call_0",
        "fingerprint": "f",
        "state": RunState.DONE,
        "is_error": False,
        "age_s": 100.0,
    }
    return PastRun(name=name, tool_class=tool_class, **{**values, **changes})


def refusal(decided: object) -> Failure | None:
    return decided.failure if isinstance(decided, Refuse) else None


def test_what_nothing_speaks_against_runs() -> None:
    assert decide(READ, [past()], NOBODY_ASKED, Limits()) == Go()


@pytest.mark.parametrize(("before", "failure"), [(29, None), (30, Failure.LIMIT)])
def test_a_call_has_thirty_tools(before: int, failure: Failure | None) -> None:
    assert refusal(decide(READ, [past()] * before, NOBODY_ASKED, Limits())) is failure


@pytest.mark.parametrize(("before", "failure"), [(9, None), (10, Failure.LIMIT)])
def test_a_minute_has_ten(before: int, failure: Failure | None) -> None:
    recent = [past(age_s=59.0)] * before
    assert refusal(decide(READ, [*recent, past(age_s=61.0)], NOBODY_ASKED, Limits())) is failure


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.DONE, RunState.FAILED])
def test_money_moves_once_in_a_call_by_whatever_tool_even_if_nobody_knows_whether_it_did(state: RunState) -> None:
    before = [past("refund", ToolClass.MONEY, state=state, is_error=state is RunState.FAILED)]
    assert refusal(decide(MONEY, before, NOBODY_ASKED, Limits())) is Failure.LIMIT
    assert decide(MONEY, before, NOBODY_ASKED, Limits(money_per_call=2)) == Go()


def test_a_question_to_the_caller_moves_no_money() -> None:
    asked = [past("pay", ToolClass.MONEY, state=RunState.ASKED), past("pay", ToolClass.MONEY, state=RunState.CONFIRMED)]
    assert decide(MONEY, asked, NOBODY_ASKED, Limits()) == Go()


def test_a_tool_has_its_own_limit() -> None:
    rules = rules_of("look_up", ToolClass.READ, per_call=2)
    assert decide(rules, [past()], NOBODY_ASKED, Limits()) == Go()
    assert refusal(decide(rules, [past(), past()], NOBODY_ASKED, Limits())) is Failure.LIMIT
    assert decide(rules, [past("other"), past("other")], NOBODY_ASKED, Limits()) == Go()


def test_a_caller_is_transferred_once_unless_that_failed() -> None:
    one = [past(TRANSFER, ToolClass.TELEPHONY)]
    assert refusal(decide(TRANSFERS, one, NOBODY_ASKED, Limits())) is Failure.LIMIT
    assert decide(TRANSFERS, one, NOBODY_ASKED, Limits(), failed_transfers=1) == Go()
    refused = [past(TRANSFER, ToolClass.TELEPHONY, state=RunState.FAILED, is_error=True)]
    assert decide(TRANSFERS, refused, NOBODY_ASKED, Limits()) == Go()


def test_what_wants_a_yes_is_asked_for_first() -> None:
    assert decide(CONFIRMED, [], NOBODY_ASKED, Limits()) == Ask()
    assert decide(CONFIRMED, [], Verdict(Agreement.OPEN), Limits()) == Ask()


def test_a_yes_is_good_for_one_run() -> None:
    given = Verdict(Agreement.GIVEN, "call_0")
    asked = past("delete", ToolClass.WRITE, state=RunState.ASKED)
    used = past("delete", ToolClass.WRITE, state=RunState.CONFIRMED)
    assert decide(CONFIRMED, [asked], given, Limits()) == Go("call_0")
    assert decide(CONFIRMED, [used], given, Limits()) == Ask()


def test_limits_hold_before_anybody_is_asked() -> None:
    assert refusal(decide(CONFIRMED, [past()] * 30, NOBODY_ASKED, Limits())) is Failure.LIMIT


def test_only_the_same_request_was_asked_before() -> None:
    runs = [
        past(tool_call_id="a", state=RunState.ASKED),
        past(tool_call_id="b", state=RunState.ASKED, fingerprint="another"),
        past(tool_call_id="c", state=RunState.CONFIRMED),
    ]
    assert asked_before(runs, "f") == ("a",)


def test_money_wants_a_yes_unless_it_is_said_otherwise() -> None:
    assert rules_of("pay", ToolClass.MONEY).is_confirmed
    assert not rules_of("pay", ToolClass.MONEY, is_confirmed=False).is_confirmed
    assert not rules_of("write", ToolClass.WRITE).is_confirmed


def test_a_tool_is_granted_by_any_agent_of_the_profile() -> None:
    profile = AgentProfile(
        name="desk",
        greeting="Hello",
        instructions="Help.",
        tools=(ToolGrant(name="look_up"),),
        agents={"billing": Specialist(when="Money", instructions="Bill.", tools=("pay",))},
    )
    assert [is_granted(profile, name) for name in ("look_up", "pay", "delete")] == [True, True, False]
