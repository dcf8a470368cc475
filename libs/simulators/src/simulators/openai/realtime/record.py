"""What `GET /_sim/sessions` says about one session."""

from dataclasses import asdict, dataclass

from simulators.openai.faults.book import Subject
from simulators.openai.realtime.conversation import Item
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.response import Response
from simulators.openai.realtime.session import RealtimeSession
from simulators.people import watermark
from simulators.people.recognition import Recogniser, Recognition


@dataclass(slots=True)
class Life:
    """When the session's socket opened and closed (CLOCK_MONOTONIC), and how it ended."""

    opened_monotonic_s: float
    closed_monotonic_s: float | None = None
    close_code: int | None = None
    close_reason: str = ""
    closed_by: str | None = None
    """client or simulator."""


def describe(subject: Subject, session: RealtimeSession, life: Life) -> Json:
    """Everything recorded, but what was recognised in the caller's audio: that costs time, see `recognised`."""
    ledger = session.ledger
    return {
        "session_id": subject.session_id,
        "number": subject.number,
        "key": subject.key,
        "model": subject.model,
        **asdict(life),
        "is_dark": session.is_dark,
        "configuration": session.configuration,
        "items": [_item(item) for item in session.conversation],
        "responses": [_response(response) for response in session.speaking.all],
        "client_events": dict(ledger.client_events),
        "server_events": dict(ledger.server_events),
        "refused": list(ledger.refused),
        "speech": list(ledger.speech),
        "truncations": list(ledger.truncations),
        "faults": list(ledger.faults),
        "unanswered": ledger.unanswered,
        "withheld_responses": session.speaking.withheld,
        "updated_monotonic_s": list(ledger.updated_monotonic_s),
        "updates": list(ledger.updates),
        "caller_audio": {**ledger.appends.describe(), "kept_from_byte": session.hearing.tape.first_byte},
    }


def marked(pcmu: bytes) -> list[list[int]]:
    """The watermarks in the caller's audio: `[at_byte, number, first_cell, cells]` of each run without a gap."""
    return [[run.at_byte, run.number, run.first_cell, run.cells] for run in watermark.runs(pcmu)]


def recognised(recogniser: Recogniser, pcmu: bytes) -> Json:
    """What the caller's audio says, frame by frame; the part of the record that chaos tests judge."""
    return _recognition(recogniser.recognise(pcmu))


def _recognition(recognition: Recognition) -> Json:
    return {
        "text": recognition.text,
        "matched_frames": recognition.matched_frames,
        "expected_frames": recognition.expected_frames,
        "missing_frames": recognition.missing_frames,
        "duplicates": recognition.duplicates,
        "in_order": recognition.in_order,
        "spans": [asdict(span) for span in recognition.spans],
    }


def _item(item: Item) -> Json:
    return {
        "id": item.item_id,
        "type": item.kind,
        "role": item.role,
        "source": item.source,
        "text": item.said or item.text,
        "remembered_text": item.text,
        "audio_ms": item.audio_ms,
        "truncated_at_ms": item.truncated_at_ms,
        "recordings": list(item.recordings),
        "name": item.body.get("name"),
        "call_id": item.body.get("call_id"),
        "status": item.body.get("status"),
        "created_monotonic_s": item.created_monotonic_s,
    }


def _planned(response: Response) -> Json | None:
    """What it was going to say, whole; `first_cell` numbers the watermark of its first 10 ms."""
    reply = response.reply
    if reply is None or reply.voice is None:
        return None
    return {"text": reply.text, "audio_ms": reply.voice.duration_ms, "first_cell": response.first_cell}


def _response(response: Response) -> Json:
    return {
        "id": response.response_id,
        "status": response.status,
        "reason": response.reason,
        "error": response.failure.code if response.failure else None,
        "is_default": response.is_default,
        "metadata": response.terms.metadata,
        "instructions": response.terms.instructions,
        "audio_ms": response.audio_ms,
        "item_ids": response.item_ids,
        "planned": _planned(response),
        "usage": response.usage,
        "started_monotonic_s": response.times.started,
        "first_audio_monotonic_s": response.times.first_audio,
        "ended_monotonic_s": response.times.ended,
    }
