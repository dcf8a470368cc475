"""The timeline: what each fact and each of the caller's events looks like to somebody watching."""

from typing import Any, get_args

import pytest

from common.messages import facts
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerState
from common.messages.commands import EndReason
from common.messages.facts import AnyFact
from common.messages.offers import HandoverReason
from trunkline.demo.timeline import Actor, line_of_caller_event, line_of_fact

CALL: dict[str, Any] = {"call_id": "CA1"}

SHOWN: list[tuple[AnyFact, Actor, str]] = [
    (
        facts.CallStarted(**CALL, leg="twilio", edge_id="edge-1", profile="support-en", started_at="now"),
        Actor.CALL,
        "answered by support-en on edge-1",
    ),
    (
        facts.EpochChanged(
            **CALL,
            epoch=1,
            talker_id="worker-1",
            reason=HandoverReason.TALKER_LOST,
            realtime_session_id="s",
            ready_after_ms=12,
        ),
        Actor.EPOCH,
        "1 (talker lost): worker-1 talks, ready after 12 ms",
    ),
    (facts.TurnStarted(**CALL, speaker="caller", item_id="i"), Actor.CALLER, "begins to speak"),
    (facts.TurnStarted(**CALL, speaker="agent", item_id="i"), Actor.AGENT, "begins to speak"),
    (
        facts.TurnStarted(**CALL, speaker="agent", item_id="i", response_ms=640),
        Actor.AGENT,
        "answers 640 ms after the caller's last word",
    ),
    (facts.CallerSaid(**CALL, item_id="i", text="hello", start_ms=0, end_ms=9), Actor.CALLER, "“hello”"),
    (facts.CallerSaid(**CALL, item_id="i", text="", start_ms=0, end_ms=9), Actor.CALLER, "nobody made out"),
    (
        facts.AgentSaid(**CALL, item_id="i", text="hi", start_ms=0, end_ms=9, heard_ms=9, audio_ms=9),
        Actor.AGENT,
        "“hi”",
    ),
    (
        facts.AgentSaid(
            **CALL, item_id="i", text="hi", start_ms=0, end_ms=9, heard_ms=900, audio_ms=1200, is_interrupted=True
        ),
        Actor.AGENT,
        "cut off: 0.9 s of 1.2 s heard",
    ),
    (
        facts.AgentSaid(
            **CALL, item_id="i", text="", start_ms=0, end_ms=9, heard_ms=0, audio_ms=1800, is_interrupted=True
        ),
        Actor.AGENT,
        "1.8 s of speech were never heard",
    ),
    (
        facts.AgentSaid(
            **CALL, item_id="i", text="We are", start_ms=0, end_ms=9, heard_ms=9, audio_ms=9, is_unfinished=True
        ),
        Actor.AGENT,
        "“We are …” broke off: its talker was lost",
    ),
    (
        facts.ToolCalled(**CALL, item_id="i", tool_call_id="c", name="list_tasks", arguments="{}"),
        Actor.AGENT,
        "asks for the tool list_tasks",
    ),
    (
        facts.AgentChanged(**CALL, agent="billing", before="front", revision=2, answers="f"),
        Actor.AGENT,
        "billing takes over from front",
    ),
    (
        facts.RuleBroken(**CALL, rule="forbidden:0", revision=2, answers="f"),
        Actor.TROUBLE,
        "broke a rule (forbidden:0)",
    ),
    (facts.TransferBegun(**CALL, to="desk"), Actor.CALL, "dials desk"),
    (facts.TransferFailed(**CALL, to="desk", why="no_answer"), Actor.TROUBLE, "desk could not be reached (no answer)"),
    (facts.LegReattached(**CALL, leg="twilio", edge_id="edge-2"), Actor.CALL, "edge-2 goes on with the call"),
    (facts.ConversationTrimmed(**CALL, omitted_turns=7, kept_turns=9), Actor.TROUBLE, "the oldest 7 turns"),
    (facts.CallbackWanted(**CALL, profile="support-en"), Actor.TROUBLE, "to be called back"),
    (
        facts.ServiceLevelChanged(**CALL, level=2, before=0, cause=facts.LevelCause.PROVIDER_FAILED),
        Actor.EPOCH,
        "L2 after L0 (provider failed)",
    ),
    (facts.MessageLeft(**CALL, message_id="m", profile="p", duration_ms=4_200), Actor.CALLER, "a message of 4.2 s"),
    (facts.BargedIn(**CALL, item_id="i", onset_ms=9, heard_ms=900), Actor.BARGE_IN, "0.9 s into it"),
    (facts.DigitsPressed(**CALL, digits="1"), Actor.CALLER, "pressed a key"),
    (facts.CallEnded(**CALL, reason=EndReason.CALLER_HANGUP, duration_ms=9000), Actor.CALL, "ended (caller hangup)"),
]


@pytest.mark.parametrize(("fact", "actor", "text"), SHOWN)
def test_a_fact_is_one_line(fact: AnyFact, actor: Actor, text: str) -> None:
    line = line_of_fact(fact)
    assert line is not None
    assert line.actor is actor
    assert text in line.text


OPEN = BreakerStanding(provider="openai", model="m", state=BreakerState.OPEN, mode=BreakerMode.AUTO, share=0)
UNSHOWN: list[AnyFact] = [
    facts.UsageReported(**CALL, response_id="r", model="m"),
    facts.TurnEnded(**CALL, item_id="i", end_ms=9),
    facts.InstructionsApplied(**CALL, revision=2),
    facts.ToolReturned(**CALL, tool_call_id="c", output="what the tool says may be private"),
    facts.BreakerChanged(call_id=facts.FLEET, standing=OPEN),
    facts.FlagChanged(call_id=facts.FLEET, name="realtime.rollout", value="50", changed_at="now"),
]


@pytest.mark.parametrize("fact", UNSHOWN)
def test_what_tells_a_listener_nothing_is_not_shown(fact: AnyFact) -> None:
    assert line_of_fact(fact) is None


def test_every_kind_of_fact_has_its_line_here() -> None:
    assert {type(fact) for fact, _, _ in SHOWN} | {type(fact) for fact in UNSHOWN} == set(get_args(AnyFact))


@pytest.mark.parametrize(
    ("event", "actor", "text"),
    [
        ({"event": "twiml_received", "verbs": ["Connect"], "took_ms": 3.2}, Actor.CALL, "answered in 3 ms: Connect"),
        ({"event": "stream_started", "t_ms": 0.4}, Actor.CALL, "media stream is up"),
        ({"event": "clear", "t_ms": 5, "dropped_ms": 7300.0}, Actor.BARGE_IN, "threw away 7.3 s"),
        ({"event": "said", "text": "sorry"}, Actor.AGENT, "“sorry”"),
        ({"event": "human_heard", "text": "A refund."}, Actor.HUMAN, "“A refund.”"),
        ({"event": "dialled", "status": "busy", "bridged": False}, Actor.HUMAN, "was not reached (busy)"),
        ({"event": "dialled", "status": "completed", "bridged": True}, Actor.HUMAN, "talks with the caller"),
        ({"event": "hang_up", "by": "caller"}, Actor.CALL, "hung up by caller"),
        ({"event": "notice", "code": 31924, "text": "bad frame"}, Actor.TROUBLE, "bad frame"),
        ({"event": "notice", "code": 31921, "text": "closed"}, Actor.CALL, "the edge closed the media stream"),
    ],
)
def test_the_callers_telephone_adds_what_no_fact_tells(event: dict[str, Any], actor: Actor, text: str) -> None:
    line = line_of_caller_event(event)
    assert line is not None
    assert line.actor is actor
    assert text in line.text


@pytest.mark.parametrize("event", [{}, {"event": "mark"}, {"event": "result", "calls": []}])
def test_other_events_are_not_shown(event: dict[str, Any]) -> None:
    assert line_of_caller_event(event) is None
