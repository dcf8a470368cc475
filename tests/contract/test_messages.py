"""Golden JSON of everything that travels or is stored: other versions of us read it, so a change must be on purpose."""

import json
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from pydantic import TypeAdapter

from common.agents import OutputRules, Routing, Specialist, ToolGrant
from common.conversation import ToolTurn, Turn
from common.messages import breaker, commands, facts, heartbeat, instructions, offers, outcome, tools
from common.messages.base import Message, decode_as
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerState, TripReason
from common.messages.commands import EndReason
from common.messages.offers import HandoverReason
from common.persona import Persona
from common.profile import (
    AgentProfile,
    Fallback,
    Limits,
    Menu,
    SemanticVad,
    Sentences,
    Transcription,
    TransferTarget,
    TransferToHuman,
)
from edge.registry import CallEntry

GOLDENS = Path(__file__).parents[1] / "data" / "messages"

PROFILE = AgentProfile(
    name="support-ja",
    numbers=("+815012345678", "*"),
    language="ja",
    voice="cedar",
    model="gpt-realtime-2.1",
    greeting="もしもし、本日のご用件は何でしょうか？",
    instructions="Help.",
    turn_detection=SemanticVad(eagerness="low"),
    transcription=Transcription(model="gpt-transcribe", prompt="予約"),
    noise_reduction="near_field",
    limits=Limits(max_call_s=600, max_output_tokens=4_096),
    sentences=Sentences(
        unavailable="Later.",
        interrupted="Lost.",
        one_moment="Wait.",
        transferring="A colleague.",
        call_back="Soon.",
        say_language="ja-JP",
    ),
    last_resort=TransferToHuman(number="+15550100199", ring_s=20),
    fallback=Fallback(
        prompts="ja-desk",
        voice="cedar",
        transcription=("openai", "house"),
        chat=("house",),
        speech=("house",),
        menu=Menu(hold=False, message=False, callback=False, transfer="desk"),
    ),
    transfers={"desk": TransferTarget(number="+15550100300", ring_s=25)},
    tools=(
        ToolGrant(
            name="get_task",
            description="Look a task up.",
            parameters={"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
        ),
    ),
    persona=Persona(
        company="Reading room",
        role="receptionist",
        tone="calm",
        topics=("books",),
        forbidden_subjects=("politics",),
        hand_over_words=("human",),
    ),
    rules=OutputRules(forbidden=("guarantee",), must_say=("recorded",), must_say_within_turns=3),
    agents={
        "billing": Specialist(
            when="Invoices.",
            instructions="Bill.",
            tools=("get_task",),
            model="gpt-5.4-mini",
            hands_over_to=("front",),
            after_tools={"get_task": "front"},
            otherwise="front",
            rules=OutputRules(forbidden=("free",)),
        )
    },
    routing=Routing(model="gpt-5.4-mini", timeout_s=2.0, turns=6),
    graph="my_desk.flows:graph",
    country="JP",
)
TURN = Turn(
    speaker="agent",
    item_id="item_1",
    text="We are",
    start_ms=2_300,
    end_ms=4_000,
    is_interrupted=True,
    is_unfinished=True,
)
TOOL = ToolTurn(
    item_id="item_3", tool_call_id="call_1", name="get_task", arguments='{"id":7}', start_ms=4_200, output='{"ok":true}'
)

_CALL: dict[str, Any] = {"call_id": "CA1", "epoch": 2}
_FACT: dict[str, Any] = {**_CALL, "fact_id": "fact-1", "at_ms": 5_000}

STANDING = BreakerStanding(
    provider="openai",
    model="gpt-realtime-2.1",
    state=BreakerState.RAMPING,
    mode=BreakerMode.AUTO,
    share=0.25,
    reason=TripReason.FAILURES,
    attempts=12,
    failures=7,
    connects_failed_in_a_row=2,
    ready_p95_ms=3_100,
    changed_at="2026-11-20T13:24:39+00:00",
)

REVISION = instructions.Instructions(
    call_id="CA1",
    revision=3,
    instructions="Ask for the order number first.",
    tools=(ToolGrant(name="get_task", description="Look a task up."),),
    agent="billing",
    urgency="at_once",
    asks_for_answer=True,
    answers="fact-1",
)
CUT = commands.CutOver(
    is_granted=True,
    may_wait=True,
    leg_clock_ms=1_500,
    conversation=(TURN, TOOL),
    omitted_turns=2,
    instructions=REVISION,
    service_level=2,
    falls=1,
    human_unreached=True,
)
LEFT_OVER = commands.LeftOver(item_id="item_4", text="On Monday", start_ms=7_000, heard_ms=900, audio_ms=2_400)

EXAMPLES: tuple[Message, ...] = (
    commands.Ready(**_CALL, talker_id="worker-1", realtime_session_id="sess_1", is_warm=True, open_ms=120),
    commands.Clear(**_CALL, through_sequence=41, onset_ms=3_900),
    commands.HandoverPlease(
        **_CALL,
        talker_id="worker-1",
        reason=HandoverReason.UPSTREAM_FAILED,
        error_code="throttled",
        is_retryable=False,
    ),
    commands.HangUp(**_CALL, talker_id="worker-1"),
    commands.Transfer(**_CALL, talker_id="fallback-1", to="desk", summary="A refund."),
    commands.WhoCarries(call_id="CA1"),
    commands.TransferNews(call_id="CA1", news="no_answer"),
    commands.TransferNoted(is_ours=True),
    commands.StandingAsked(**_CALL, talker_id="worker-1"),
    commands.ReplayCaller(talker_id="worker-1", for_s=2.5),
    commands.Drain(moves_calls=True),
    commands.Draining(process_id="edge-1", calls=3),
    commands.LegState(is_alive=True, epoch=2, talker_id="worker-1"),
    CUT,
    commands.Standing(is_current=True),
    commands.Heard(item_id="item_1", heard_ms=1_640, text="We are"),
    commands.HandOver(call_id="CA1"),
    commands.HandingOver(edge_id="edge-1", epoch=2, talker_id="worker-1"),
    commands.TakeOver(**_CALL, cut=CUT),
    commands.Adopt(
        **_CALL, new_epoch=3, edge_id="edge-2", leg_clock_ms=9_000, known_items=("item_1",), human_unreached=True
    ),
    LEFT_OVER,
    commands.Adopted(is_adopted=True, realtime_session_id="sess_1", leg_clock_ms=9_020, left_over=(LEFT_OVER,)),
    commands.NotTalking(calls=((7, 2),)),
    commands.Ping(),
    commands.Release(**_CALL, reason="talker_lost"),
    commands.Digits(**_CALL, digits="12*#"),
    commands.WhoTalks(call_id="CA1"),
    commands.TalksTo(talker_id="worker-1", epoch=2),
    commands.CatchUp(edge_id="edge-1", for_s=2.5),
    REVISION,
    offers.Offer(
        **_CALL,
        edge_id="edge-1",
        reason=HandoverReason.TALKER_LOST,
        profile=PROFILE,
        home="fallback",
        is_last_resort=True,
        caller_number="+14155550100",
    ),
    offers.Accepted(talker_id="worker-1"),
    offers.Refused(talker_id="worker-1", reason="draining"),
    heartbeat.Heartbeat(
        kind="realtime_worker",
        process_id="worker-1",
        calls=3,
        capacity=50,
        is_draining=True,
        is_farewell=True,
        loop_lag_ms=2,
        host="pod-1",
        pid=41,
    ),
    STANDING,
    breaker.BreakerStandings(replica_id="fallback-1", standings=(STANDING,)),
    breaker.BreakerOrder(provider="openai", model="gpt-realtime-2.1", mode=BreakerMode.CLOSED),
    breaker.BreakersAsked(),
    breaker.ProbeSession(provider="openai", model="gpt-realtime-2.1"),
    breaker.SessionProbed(talker_id="worker-1", error_code="deadline", latency_ms=3_000),
    outcome.Outcome(
        talker_id="worker-1",
        model="gpt-realtime-2.1",
        attempt="response",
        is_ok=False,
        error_code="throttled",
        latency_ms=950,
    ),
    facts.CallStarted(
        **_FACT,
        leg="twilio",
        edge_id="edge-1",
        profile="support-ja",
        caller_number="+14155550100",
        dialled_number="+815012345678",
        started_at="2026-11-20T13:24:39Z",
    ),
    facts.EpochChanged(
        **_FACT,
        talker_id="worker-1",
        reason=HandoverReason.START,
        realtime_session_id="sess_1",
        ready_after_ms=210,
    ),
    facts.TurnStarted(**_FACT, speaker="agent", item_id="item_1", response_ms=640),
    facts.TurnEnded(**_FACT, item_id="item_2", end_ms=2_000),
    facts.CallerSaid(**_FACT, item_id="item_2", text="Are you open?", start_ms=1_000, end_ms=2_000),
    facts.AgentSaid(
        **_FACT,
        item_id="item_1",
        text="We are",
        start_ms=2_300,
        end_ms=4_000,
        heard_ms=1_640,
        audio_ms=5_200,
        is_interrupted=True,
        is_unfinished=True,
    ),
    facts.BargedIn(**_FACT, item_id="item_1", onset_ms=3_900, heard_ms=1_640),
    facts.DigitsPressed(**_FACT, digits="12*#"),
    facts.ToolCalled(**_FACT, item_id="item_3", tool_call_id="call_1", name="get_task", arguments='{"id":7}'),
    facts.ToolReturned(**_FACT, tool_call_id="call_1", output='{"ok":true}', is_error=True),
    facts.InstructionsApplied(**_FACT, revision=3, agent="billing"),
    facts.AgentChanged(**_FACT, agent="billing", before="front", revision=3, answers="fact-1"),
    facts.RuleBroken(**_FACT, rule="must_say:0", revision=4, answers="fact-1"),
    facts.TransferBegun(**_FACT, to="desk"),
    facts.TransferFailed(**_FACT, to="desk", why="no_answer"),
    facts.LegReattached(**_FACT, leg="twilio", edge_id="edge-2"),
    facts.ConversationTrimmed(**_FACT, omitted_turns=3, kept_turns=40),
    facts.CallbackWanted(**_FACT, profile="support-ja", caller_number="+14155550100"),
    facts.ServiceLevelChanged(**_FACT, level=2, before=1, cause=facts.LevelCause.PROVIDER_FAILED),
    facts.MessageLeft(**_FACT, message_id="message-1", profile="support-ja", duration_ms=4_200),
    facts.FlagChanged(
        **_FACT, name="realtime.rollout", value="25", before="100", changed_at="2026-11-20T13:24:39+00:00"
    ),
    tools.ToolRequest(**_CALL, profile="support-ja", tool_call_id="call_1", name="get_task", arguments='{"id":7}'),
    tools.ToolResult(
        tool_call_id="call_1",
        output='{"ok":true}',
        is_error=True,
        order=tools.TransferOrder(to="front-desk", summary="A refund."),
    ),
    tools.HangUpOrder(),
    tools.TransferOrder(to="front-desk", summary="A refund."),
    tools.SendDigitsOrder(digits="12*#"),
    tools.ToolPending(tool_call_id="call_1", filler="One moment."),
    facts.UsageReported(
        **_FACT,
        response_id="resp_1",
        model="gpt-realtime-2.1",
        input_text_tokens=1,
        input_audio_tokens=2,
        cached_text_tokens=3,
        cached_audio_tokens=4,
        output_text_tokens=5,
        output_audio_tokens=6,
    ),
    facts.CallEnded(**_FACT, reason=EndReason.CALLER_HANGUP, duration_ms=62_000),
    facts.BreakerChanged(**_FACT, standing=STANDING),
    CallEntry(
        edge_id="edge-1",
        state="ended",
        profile="support-ja",
        epoch=2,
        talker_id="worker-1",
        end_reason=EndReason.TRANSFERRED,
        has_record=True,
        home="fallback",
        service_level=2,
        transfer_to="desk",
        summary="A refund.",
        transfer_within_s=55,
    ),
)

Union: TypeAlias = TypeAdapter[Any]
UNIONS: dict[str, tuple[Union, frozenset[str]]] = {
    "EdgeCommand": (
        commands.EdgeCommand,
        frozenset(
            {
                "Ready",
                "Clear",
                "HandoverPlease",
                "HangUp",
                "Transfer",
                "StandingAsked",
                "ReplayCaller",
                "WhoCarries",
                "TransferNews",
                "Drain",
            }
        ),
    ),
    "EdgesCommand": (commands.EdgesCommand, frozenset({"HandOver"})),
    "TalkerCommand": (
        commands.TalkerCommand,
        frozenset({"Release", "Digits", "TakeOver", "Adopt", "Ping", "Drain"}),
    ),
    "TalkersCommand": (commands.TalkersCommand, frozenset({"WhoTalks", "CatchUp"})),
    "OfferAnswer": (offers.OfferAnswer, frozenset({"Accepted", "Refused"})),
    "BreakerCommand": (breaker.BreakerCommand, frozenset({"BreakerOrder", "BreakersAsked"})),
    "ToolAnswer": (tools.ToolAnswer, frozenset({"ToolResult", "ToolPending"})),
    "Fact": (
        facts.Fact,
        frozenset(
            {
                "CallStarted",
                "EpochChanged",
                "TurnStarted",
                "TurnEnded",
                "CallerSaid",
                "AgentSaid",
                "BargedIn",
                "DigitsPressed",
                "ToolCalled",
                "ToolReturned",
                "InstructionsApplied",
                "AgentChanged",
                "RuleBroken",
                "TransferBegun",
                "TransferFailed",
                "LegReattached",
                "ConversationTrimmed",
                "CallbackWanted",
                "ServiceLevelChanged",
                "MessageLeft",
                "FlagChanged",
                "UsageReported",
                "CallEnded",
                "BreakerChanged",
            }
        ),
    ),
}


def _name(message: Message) -> str:
    return type(message).__name__


def _golden(name: str) -> bytes:
    return (GOLDENS / f"{name}.json").read_bytes()


@pytest.mark.parametrize("message", EXAMPLES, ids=_name)
def test_a_message_travels_as_it_always_did(message: Message) -> None:
    written = json.loads(message.encode())
    assert written == json.loads(_golden(_name(message))), (
        "the wire format changed: keep old readers working (new fields get defaults), then write "
        f"tests/data/messages/{_name(message)}.json anew:\n{json.dumps(written, ensure_ascii=False, indent=2)}"
    )


@pytest.mark.parametrize("message", EXAMPLES, ids=_name)
def test_what_was_written_before_is_still_read(message: Message) -> None:
    assert type(message).decode(_golden(_name(message))) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=_name)
def test_an_example_differs_from_every_default_so_that_no_field_goes_unseen(message: Message) -> None:
    for name, field in type(message).model_fields.items():
        if name not in ("version", "type", "kind") or isinstance(message, heartbeat.Heartbeat):
            assert name == "version" or getattr(message, name) != field.get_default(), name


@pytest.mark.parametrize("union", UNIONS)
def test_each_message_of_a_union_is_read_as_its_own_kind(union: str) -> None:
    adapter, members = UNIONS[union]
    for name in members:
        assert type(decode_as(adapter, _golden(name))).__name__ == name


def _subclasses(cls: type[Message]) -> set[type[Message]]:
    return {each for sub in cls.__subclasses__() for each in {sub} | _subclasses(sub)}


def test_every_message_there_is_has_its_golden_file_and_no_file_is_left_over() -> None:
    ours = ("common.", "edge.", "realtime_worker.", "orchestrator.", "fallback.")
    defined = {each.__name__ for each in _subclasses(Message) if each.__module__.startswith(ours)}
    public = {name for name in defined if not name.startswith("_")}
    assert {_name(message) for message in EXAMPLES} == public
    assert {path.stem for path in GOLDENS.glob("*.json")} == public


def test_every_fact_is_a_member_of_the_union_readers_use() -> None:
    assert {each.__name__ for each in _subclasses(facts._Fact)} == UNIONS["Fact"][1]
