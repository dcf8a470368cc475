"""`POST /v1/audio/transcriptions`: the words that are really in the audio, found by what it resembles."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from simulators.openai.faults.http_kinds import EndpointName
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.usage import transcription_usage
from simulators.openai.realtime.world import World
from simulators.openai.rest.answer import Answer, Piece, json_answer, sse
from simulators.openai.rest.chat_answer import split
from simulators.openai.rest.record import Asked
from simulators.openai.rest.refusing import ApiError, too_large, wrong_content_type
from simulators.openai.rest.transcription_request import check_transcription, form_of, sound_in
from simulators.people.likeness import Likeness
from simulators.people.recognition import Recognition, Span
from simulators.people.resampling import to_phone_rate
from simulators.people.wav import Sound

_LANGUAGE_NAMES: Final = {"en": "english", "ja": "japanese"}
_WORD_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class TranscriptionEndpoint:
    """Hears uploaded audio."""

    world: World
    likeness: Likeness
    name: EndpointName = "transcription"

    async def read(self, request: web.Request) -> Json:
        """The fields of the form; `file` is its name and content."""
        if request.content_type != "multipart/form-data":
            raise wrong_content_type(request.content_type, "multipart/form-data")
        try:
            posted = await request.post()
        except web.HTTPRequestEntityTooLarge:
            raise too_large() from None
        except (ValueError, LookupError, HttpProcessingError):
            raise ApiError(400, "We could not parse the multipart form of your request.") from None
        return form_of((name, _plain(value)) for name, value in posted.items())

    async def answer(self, parameters: Json, asked: Asked) -> Answer:
        """The text in the form asked for."""
        asked.asked = {name: value for name, value in parameters.items() if name != "file"}
        check_transcription(parameters)
        file_name, data = parameters["file"]
        asked.asked["file"] = {"name": file_name, "bytes": len(data)}
        sound = sound_in(file_name, data)
        heard = await asyncio.to_thread(self._hear, sound)
        asked.asked["file"] |= {"rate_hz": sound.rate_hz, "duration_s": sound.duration_s}
        asked.answered = {"text": heard.text, "spans": [asdict(span) for span in heard.spans]}
        return _answer(parameters, sound, heard, self.world.script.transcription.delay_ms / 1000)

    def _hear(self, sound: Sound) -> Recognition:
        return self.likeness.recognise(to_phone_rate(sound.samples, sound.rate_hz))


def _plain(value: Any) -> Any:
    """A field's text, or a file's name and content."""
    if isinstance(value, web.FileField):
        return value.filename, value.file.read()
    return value if isinstance(value, str) else bytes(value).decode(errors="replace")


def _answer(form: Json, sound: Sound, heard: Recognition, after_s: float) -> Answer:
    is_whisper = form["model"] == "whisper-1"
    usage = transcription_usage(int(sound.duration_s * 1000), heard.text)
    if is_whisper:
        usage = {"type": "duration", "seconds": int(-(-sound.duration_s // 1))}
    match form.get("response_format", "json"):
        case "text":
            return Answer("text/plain; charset=utf-8", [Piece(f"{heard.text}\n".encode(), after_s)], is_stream=False)
        case "verbose_json":
            return json_answer(_verbose(form, sound, heard, usage), after_s)
    if form.get("stream", "false").lower() == "true" and not is_whisper:
        return Answer("text/event-stream; charset=utf-8", _events(heard.text, usage, after_s))
    return json_answer({"text": heard.text, "usage": usage}, after_s)


def _events(text: str, usage: Json, after_s: float) -> Iterator[Piece]:
    for word in split(text):
        yield Piece(sse({"type": "transcript.text.delta", "delta": word}), after_s)
        after_s = _WORD_S
    yield Piece(sse({"type": "transcript.text.done", "text": text, "usage": usage}), after_s)


def _verbose(form: Json, sound: Sound, heard: Recognition, usage: Json) -> Json:
    language = form.get("language") or ("en" if heard.text.isascii() else "ja")
    wanted = form.get("timestamp_granularities", ["segment"])
    body: Json = {
        "task": "transcribe",
        "language": _LANGUAGE_NAMES.get(language, language),
        "duration": sound.duration_s,
        "text": heard.text,
        "usage": usage,
    }
    if "segment" in wanted:
        body["segments"] = [_segment(index, span) for index, span in enumerate(heard.spans)]
    if "word" in wanted:
        body["words"] = [word for span in heard.spans for word in _words(span)]
    return body


def _segment(index: int, span: Span) -> Json:
    return {
        "id": index,
        "seek": 0,
        "start": span.at_ms / 1000,
        "end": span.until_ms / 1000,
        "text": span.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.1,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }


def _words(span: Span) -> Iterator[Json]:
    """The words, spread evenly over what was heard of them."""
    words = span.text.split()
    step = (span.until_ms - span.at_ms) / 1000 / max(1, len(words))
    for index, word in enumerate(words):
        start = span.at_ms / 1000 + index * step
        yield {"word": word, "start": start, "end": start + step}
