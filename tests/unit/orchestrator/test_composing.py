"""Instructions put together: the base first and unchanged, a revision only for what is new."""

from common.agents import FRONT
from orchestrator.core.composing import GUARD, compose, correction
from orchestrator.core.output_rules import Breach
from orchestrator.core.plan import Decision, next_update, nothing_said
from unit.orchestrator.following import PROFILE

BASE = PROFILE.instructions
PART = PROFILE.agents["billing"].instructions


def test_the_base_comes_first_whoever_has_the_caller_so_that_prompt_caches_hold() -> None:
    front, billing = compose(BASE), compose(BASE, PART)
    assert billing.startswith(front)
    assert "You know invoices." in billing
    assert GUARD in front


def test_corrections_come_last() -> None:
    rules = PROFILE.agents["billing"].rules
    texts = [correction(Breach(kind, 0, "f"), rules) for kind in ("forbidden", "must_say")]
    text = compose(BASE, PART, texts)
    assert text.startswith(compose(BASE, PART))
    assert "“guaranteed”" in text
    assert text.endswith("“This call is recorded”")


def test_instructions_always_fit_a_message_and_lose_none_of_what_makes_them_safe() -> None:
    text = compose("予" * 60_000, PART, ["Take it back."])
    assert 65_000 < len(text.encode()) <= 65_536
    assert GUARD in text
    assert text.endswith("Take it back.")


def test_tools_keep_the_profiles_order() -> None:
    assert PROFILE.tools_of(FRONT) == ("list_tasks",)
    assert PROFILE.tools_of("billing") == ("get_invoice",)
    assert PROFILE.tools_of("gone") == ("list_tasks",)


def test_what_the_agent_knows_already_is_not_said_again() -> None:
    standing = nothing_said("Be kind.", ("a", "b"), FRONT)
    assert next_update(standing, Decision(FRONT, "Be kind.", ("a", "b"))) == (standing, None)


def test_revisions_rise_by_one_and_remember_what_they_replaced() -> None:
    standing = nothing_said("Be kind.", (), FRONT)
    standing, first = next_update(standing, Decision("billing", "Bill.", ("pay",), answers="fact-1"))
    standing, second = next_update(standing, Decision("billing", "Bill.", ("pay",), asks_for_answer=True))
    standing, nothing = next_update(standing, Decision("billing", "Bill.", ("pay",)))
    assert first is not None
    assert second is not None
    assert (first["revision"], first["before"], first["agent"], first["answers"]) == (1, FRONT, "billing", "fact-1")
    assert (second["revision"], second["before"]) == (2, "billing")
    assert nothing is None


def test_another_order_of_tools_is_another_revision() -> None:
    standing = nothing_said("Be kind.", ("a", "b"), FRONT)
    assert next_update(standing, Decision(FRONT, "Be kind.", ("b", "a")))[1] is not None
