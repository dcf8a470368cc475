"""A second media socket beside the real one: a duplicate, a replay, a stranger."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from simulators.twilio import sids
from simulators.twilio.line import SILENT_PAYLOAD
from simulators.twilio.media_socket import Door, Ending, Listener, connect
from simulators.twilio.media_stream import MediaStream, StreamIds
from simulators.twilio.notices import TwilioError
from simulators.twilio.plan import CallPlan
from simulators.twilio.steps import SideSocket

_FRAME_S = 0.02


class _Counting(Listener):
    """Counts what the server says."""

    def __init__(self) -> None:
        super().__init__()
        self.messages = 0

    def on_text(self, text: bytes) -> None:
        """Anything the server sends here is addressed to an intruder."""
        self.messages += 1


@dataclass(frozen=True, slots=True)
class Intrusion:
    """What to try: the step, the URL of the stream, the parameters its `start` shall carry."""

    step: SideSocket
    url: str
    parameters: dict[str, str]


def _ids(plan: CallPlan, call_sid: str, step: SideSocket) -> StreamIds:
    return StreamIds(
        plan.account_sid if step.account_sid == "same" else sids.account_sid(),
        call_sid if step.call_sid == "same" else sids.call_sid(),
        sids.stream_sid(),
    )


async def intrude(plan: CallPlan, call_sid: str, intrusion: Intrusion) -> dict[str, Any]:
    """Open the socket, speak as the step says, wait; return what became of it (fields of `SideSocketResult`)."""
    step = intrusion.step
    ids = _ids(plan, call_sid, step)
    listener = _Counting()
    outcome: dict[str, Any] = {
        "call_sid": ids.call_sid,
        "stream_sid": ids.stream_sid,
        "token": step.token,
        "signature": step.signature.value,
        "refused": None,
    }
    began = time.monotonic()
    ending: Ending | None = None
    try:
        await connect(listener, door(plan, intrusion.url, plan.signer.headers(intrusion.url, fault=step.signature)))
        ending = await _speak(listener, MediaStream(ids, intrusion.parameters), step)
    except TwilioError as error:
        outcome["refused"] = str(error.notice)
    outcome |= {
        "ended_how": ending.how if ending else None,
        "close_code": ending.code if ending else None,
        "close_reason": ending.reason if ending else "",
        "open_for_ms": round((time.monotonic() - began) * 1000, 2),
        "messages_received": listener.messages,
    }
    return outcome


def door(plan: CallPlan, url: str, signature: dict[str, str]) -> Door:
    """How to reach a stream URL; on WebSocket requests Twilio writes its header's name in lower case."""
    route = plan.tunnel.route(url)
    headers = {name.lower(): value for name, value in signature.items()}
    headers |= {"Host": route.host, "User-Agent": "TwilioMediaStreams/1.0"}
    return Door(route.url, headers, plan.handshake_timeout_s, plan.tls)


async def _speak(listener: Listener, stream: MediaStream, step: SideSocket) -> Ending | None:
    """Send silence in real time until the server closes or the time is over (then None)."""
    until = time.monotonic() + step.for_ms / 1000
    messages = {"usual": stream.opening(), "media_first": stream.opening()[:1], "silent": ()}
    try:
        for text in messages[step.opening]:
            listener.send(text)
        while time.monotonic() < until and not listener.ended.done():
            if step.opening != "silent":
                listener.send(stream.caller_frame(SILENT_PAYLOAD))
            await asyncio.wait((listener.ended,), timeout=_FRAME_S)
        return listener.ended.result() if listener.ended.done() else None
    finally:
        await listener.close()
