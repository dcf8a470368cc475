"""Clients and files for the endpoints of a pipeline."""

import io
import wave
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from openai import AsyncOpenAI

from integration.simulators.openai.process import Simulator

KEY = "sk-test-abcdef"
TIMEOUT_S = 5.0
SCRIPT = """
account: {bad_keys: [sk-bad], unavailable_models: [gpt-4.1-nano], other_models: [our-own-model]}
chat: {first_token_ms: 20, word_ms: 1}
speech: {first_byte_ms: 20, speed: 40}
transcription: {delay_ms: 20}
replies:
  - {when: {tool_result: get_task}, say: "Task seven is done."}
  - {when: greeting, voice: agent-greeting}
  - {when: {recording: caller-2}, say: "One moment.", tool_call: {name: get_task, arguments: {id: 7, title: Ring Ann}}}
  - {when: {recording: caller-3}, voice: agent-opening-hours}
  - {when: default, voice: agent-i-see}
"""


@asynccontextmanager
async def client(simulator: Simulator, key: str = KEY, *, retries: int = 0) -> AsyncIterator[AsyncOpenAI]:
    """The SDK's client, which by default does not try again."""
    async with AsyncOpenAI(
        api_key=key, base_url=simulator.base_url, max_retries=retries, timeout=TIMEOUT_S
    ) as connected:
        yield connected


def wav(samples: Sequence[int], rate_hz: int) -> bytes:
    """A WAV file as the standard library writes it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate_hz, 0, "NONE", ""))
        writer.writeframes(array("h", samples).tobytes())
    return file.getvalue()


def read_wav(data: bytes) -> tuple[int, Sequence[int]]:
    """Rate and samples of a WAV file."""
    with wave.open(io.BytesIO(data)) as reader:
        return reader.getframerate(), array("h", reader.readframes(len(data) // 2))
