"""The comparison: the one-process FastAPI + websockets bridge that people copy from the vendors' samples.

Written after Twilio's `speech-assistant-openai-realtime-api-python` and its kin, in the GA event shapes, with the
libraries' defaults (uvicorn picks uvloop and its own WebSocket protocol). Two tasks per call, one JSON document
parsed and one written per message. It checks no signature, keeps no record and survives nothing: only its cost per
call is of interest here.
"""

import asyncio
import json
import os
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import websockets
from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from twilio.twiml.voice_response import Connect, VoiceResponse

MODEL = "gpt-realtime-2.1"
PUBLIC_BASE_URL = os.environ.get("PUBLIC_BASE_URL", "http://127.0.0.1:5050")
OPENAI_BASE_URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
OPENAI_API_KEY = os.environ.get("OPENAI_API_KEY", "")

app = FastAPI()


@dataclass(slots=True)
class Call:
    """What the two tasks of one call share."""

    stream_sid: str
    latest_media_ms: int = 0
    response_started_ms: int | None = None
    item_id: str | None = None
    pending_marks: list[str] = field(default_factory=list)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/twilio/voice")
async def voice() -> Response:
    """TwiML that connects the call to this process's media socket."""
    response = VoiceResponse()
    connect = Connect()
    connect.stream(url=_as_socket_url(PUBLIC_BASE_URL) + "/twilio/media")
    response.append(connect)
    return Response(str(response), media_type="application/xml")


@app.websocket("/twilio/media")
async def media(twilio: WebSocket) -> None:
    """One call: opens the model's socket once Twilio has said `start`, then copies both ways until either ends."""
    await twilio.accept()
    call = await _started(twilio)
    headers = {"Authorization": f"Bearer {OPENAI_API_KEY}"}
    url = f"{_as_socket_url(OPENAI_BASE_URL)}/realtime?model={MODEL}"
    async with websockets.connect(url, additional_headers=headers) as model:
        await _initialise(model)
        copies = {
            asyncio.create_task(_caller_to_model(twilio, model, call)),
            asyncio.create_task(_model_to_caller(twilio, model, call)),
        }
        ended, running = await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*ended, *running, return_exceptions=True)


async def _started(twilio: WebSocket) -> Call:
    while True:
        message = json.loads(await twilio.receive_text())
        if message["event"] == "start":
            return Call(stream_sid=message["start"]["streamSid"])


async def _initialise(model: websockets.ClientConnection) -> None:
    await _send(model, {"type": "session.update", "session": _session()})
    content = [{"type": "input_text", "text": "Greet the caller."}]
    item = {"type": "message", "role": "user", "content": content}
    await _send(model, {"type": "conversation.item.create", "item": item})
    await _send(model, {"type": "response.create"})


def _session() -> dict[str, Any]:
    pcmu = {"type": "audio/pcmu"}
    return {
        "type": "realtime",
        "model": MODEL,
        "instructions": "You are a helpful assistant on the telephone.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": pcmu, "turn_detection": {"type": "server_vad"}},
            "output": {"format": pcmu, "voice": "marin"},
        },
    }


async def _caller_to_model(twilio: WebSocket, model: websockets.ClientConnection, call: Call) -> None:
    async for text in twilio.iter_text():
        message = json.loads(text)
        match message["event"]:
            case "media":
                call.latest_media_ms = int(message["media"]["timestamp"])
                append = {"type": "input_audio_buffer.append", "audio": message["media"]["payload"]}
                await _send(model, append)
            case "mark":
                if call.pending_marks:
                    call.pending_marks.pop(0)
            case "stop":
                return


async def _model_to_caller(twilio: WebSocket, model: websockets.ClientConnection, call: Call) -> None:
    async for text in model:
        event = json.loads(text)
        match event["type"]:
            case "response.output_audio.delta":
                await _play(twilio, call, event)
            case "input_audio_buffer.speech_started":
                await _interrupt(twilio, model, call)


async def _play(twilio: WebSocket, call: Call, event: dict[str, Any]) -> None:
    payload = {"payload": event["delta"]}
    await _tell(twilio, {"event": "media", "streamSid": call.stream_sid, "media": payload})
    if call.item_id != event["item_id"]:
        call.item_id = event["item_id"]
        call.response_started_ms = call.latest_media_ms
    mark = {"name": "responsePart"}
    await _tell(twilio, {"event": "mark", "streamSid": call.stream_sid, "mark": mark})
    call.pending_marks.append(mark["name"])


async def _interrupt(twilio: WebSocket, model: websockets.ClientConnection, call: Call) -> None:
    if not call.pending_marks or call.response_started_ms is None:
        return
    elapsed_ms = call.latest_media_ms - call.response_started_ms
    await _send(
        model,
        {
            "type": "conversation.item.truncate",
            "item_id": call.item_id,
            "content_index": 0,
            "audio_end_ms": elapsed_ms,
        },
    )
    await _tell(twilio, {"event": "clear", "streamSid": call.stream_sid})
    call.pending_marks.clear()
    call.item_id = None
    call.response_started_ms = None


async def _send(model: websockets.ClientConnection, event: dict[str, Any]) -> None:
    await model.send(json.dumps(event))


async def _tell(twilio: WebSocket, message: dict[str, Any]) -> None:
    try:
        await twilio.send_json(message)
    except RuntimeError as closed:
        raise WebSocketDisconnect from closed


def _as_socket_url(url: str) -> str:
    return url.replace("http", "ws", 1)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "5050")), log_level="warning")
