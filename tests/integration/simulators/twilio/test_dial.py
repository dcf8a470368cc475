"""Somebody is dialled for the caller: what the application is told and asked, and what each of the two hears."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from integration.simulators.twilio.edge import Edge, Socket, serve
from integration.simulators.twilio.test_calls import codes, plan
from simulators.twilio import CallResult, place_call

COLLEAGUE = "+15550100999"
EVENTS = "initiated ringing answered completed"
QUICK = {"after_ms": 20, "talks_ms": 40}


async def nobody(socket: Socket) -> None:
    raise AssertionError("no stream in these calls")


@asynccontextmanager
async def dialling(whisper: str | None, *, timeout_s: int = 5, events: str = EVENTS) -> AsyncIterator[Edge]:
    """An application that dials the colleague at once, and says goodbye after that."""
    url = "" if whisper is None else 'url="/whisper"'
    number = f'<Number {url} statusCallback="/status" statusCallbackEvent="{events}">{COLLEAGUE}</Number>'
    async with serve(nobody) as edge:
        edge.documents = {
            "/voice": f'<Response><Dial action="/done" timeout="{timeout_s}">{number}</Dial></Response>',
            "/whisper": f"<Response>{whisper}</Response>",
            "/done": "<Response><Hangup/></Response>",
        }
        yield edge


async def placed(edge: Edge, human: dict[str, Any], *steps: object) -> CallResult:
    return await place_call(plan(edge, *(steps or ("wait_for_end",)), script={"humans": [human]}))


def posted(edge: Edge, path: str) -> list[dict[str, str]]:
    return [form for where, form in edge.posts if where == path]


async def test_a_human_hears_the_whisper_and_then_the_caller_is_there() -> None:
    async with dialling("<Say>A refund &amp; more</Say><Pause length='0'/><Say>Now.</Say>") as edge:
        result = await placed(edge, QUICK)
    (dial,) = result.dials
    assert (dial.destinations, dial.status, dial.is_bridged) == ((COLLEAGUE,), "completed", True)
    assert dial.heard == ("A refund & more", "Now.")
    assert result.said == (), "the caller heard nothing of it"
    (whisper,) = posted(edge, "/whisper")
    (done,) = posted(edge, "/done")
    statuses = posted(edge, "/status")
    assert [form["CallStatus"] for form in statuses] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in statuses] == ["0", "1", "2", "3"]
    for form in (whisper, *statuses):
        assert form["ParentCallSid"] == result.call_sid
        assert form["CallSid"] == done["DialCallSid"] != result.call_sid
        assert (form["To"], form["Direction"]) == (COLLEAGUE, "outbound-dial")
    assert (done["CallSid"], done["CallStatus"]) == (result.call_sid, "in-progress")
    assert (done["DialCallStatus"], done["DialBridged"]) == ("completed", "true")
    assert result.is_ok


async def test_without_a_whisper_the_caller_is_there_at_once() -> None:
    async with dialling(None, events="answered") as edge:
        result = await placed(edge, QUICK)
    assert (result.dials[0].heard, result.dials[0].is_bridged) == ((), True)
    assert [form["CallStatus"] for form in posted(edge, "/status")] == ["in-progress"]


@pytest.mark.parametrize(
    ("human", "status"),
    [
        ({"does": "is_busy", "after_ms": 20}, "busy"),
        ({"does": "cannot_be_reached", "after_ms": 20}, "failed"),
        ({"does": "does_not_answer"}, "no-answer"),
        ({"does": "answers", "after_ms": 60_000}, "no-answer"),
    ],
)
async def test_a_human_who_is_not_reached(human: dict[str, Any], status: str) -> None:
    async with dialling("<Say>A refund</Say>", timeout_s=1) as edge:
        result = await placed(edge, human)
    (dial,) = result.dials
    assert (dial.status, dial.heard, dial.is_bridged) == (status, (), False)
    (done,) = posted(edge, "/done")
    assert done["DialCallStatus"] == status
    assert "DialBridged" not in done
    assert posted(edge, "/whisper") == []
    assert posted(edge, "/status")[-1]["CallStatus"] == status
    assert result.is_ok


async def test_a_human_may_put_the_phone_down_while_the_whisper_lasts() -> None:
    async with dialling("<Say>A refund</Say><Pause length='60'/>") as edge:
        result = await placed(edge, QUICK | {"hangs_up_after_ms": 60})
    assert (result.dials[0].heard, result.dials[0].is_bridged) == (("A refund",), False)
    (done,) = posted(edge, "/done")
    assert (done["DialCallStatus"], done["DialBridged"]) == ("completed", "false")


async def test_a_whisper_may_lead_to_another_and_may_hang_up() -> None:
    async with dialling("<Redirect>/more</Redirect>") as edge:
        edge.documents["/more"] = "<Response><Say>No.</Say><Hangup/></Response>"
        result = await placed(edge, QUICK)
    assert (result.dials[0].heard, result.dials[0].is_bridged) == (("No.",), False)


@pytest.mark.parametrize(
    ("whisper", "code"),
    [
        ("<Dial>+15550100777</Dial>", 13201),
        ("<Say>unfinished", 12100),
        ("<Redirect>/whisper</Redirect>", 11200),
        ("<Redirect>/nowhere</Redirect>", 11200),
    ],
)
async def test_a_whisper_that_cannot_be_run_costs_the_human_and_is_noted(whisper: str, code: int) -> None:
    async with dialling(whisper) as edge:
        result = await placed(edge, QUICK)
    assert codes(result) == [code]
    assert not result.dials[0].is_bridged
    assert result.is_ok == (code == 11200), "a broken document breaks the protocol"


async def test_a_caller_who_hangs_up_while_it_rings_is_told_of_all_the_same() -> None:
    async with dialling(None) as edge:
        result = await placed(edge, {"after_ms": 60_000}, {"pause_ms": 60}, "hangup")
    (done,) = posted(edge, "/done")
    assert (done["CallStatus"], done["DialCallStatus"]) == ("completed", "canceled")
    assert result.ended_by == "caller"
    assert result.is_ok


async def test_of_two_transfers_each_reaches_its_own_human() -> None:
    async with dialling(None) as edge:
        edge.documents["/done"] = '<Response><Dial action="/over">+15550100998</Dial></Response>'
        edge.documents["/over"] = "<Response><Hangup/></Response>"
        humans = [{"does": "is_busy", "after_ms": 10}, QUICK]
        result = await place_call(plan(edge, "wait_for_end", script={"humans": humans}))
    assert [(dial.destinations, dial.status) for dial in result.dials] == [
        ((COLLEAGUE,), "busy"),
        (("+15550100998",), "completed"),
    ]
