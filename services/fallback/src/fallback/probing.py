"""Tries out endpoints of the pipeline that failed, so that no caller has to."""

import asyncio
import time
from typing import Any, Final

from common import logs
from common.errors import TrunklineError
from common.pcmu import silence
from common.pipeline import Pipeline
from fallback.core.stage_health import Key
from fallback.core.vocabulary import Stage
from fallback.pipeline.chat import Chat
from fallback.pipeline.clients import Clients
from fallback.pipeline.speech import Spoken
from fallback.pipeline.stages import Stages, Work
from fallback.pipeline.transcription import Transcription

log = logs.get("probing")

_LOOK_EVERY_S: Final = 0.25
_QUESTION: Final = ({"role": "user", "content": "Say: ok"},)
_WORDS: Final = "One moment."
_SILENCE: Final = silence(1_000)


class Prober:
    """Work beside the calls (`talker.service.Beside`)."""

    def __init__(self, stages: Stages, clients: Clients, pipeline: Pipeline | None) -> None:
        self._stages = stages
        self._clients = clients
        self._pipeline = pipeline

    async def run(self) -> None:
        """Until cancelled. Running calls need the pipeline until the end, so this does not retire with the offers."""
        try:
            async with asyncio.TaskGroup() as probes:
                while True:
                    await asyncio.sleep(_LOOK_EVERY_S)
                    for key in self._stages.health.take_probes(time.monotonic()):
                        probes.create_task(self._probe(key))
        finally:
            await self._clients.close()

    def retire(self) -> None:
        """No more calls will come; those that run go on."""

    async def _probe(self, key: Key) -> None:
        stage, name = key
        assert self._pipeline is not None  # without one no endpoint ever failed
        endpoint: Any = next(each for each in self._pipeline.stage(stage.value) if each.name == name)
        try:
            await self._stages.attempt(stage, endpoint, self._work(stage), _forget)
        except TrunklineError as error:
            log.info("still down", extra=logs.fields(stage=stage, endpoint=name, error=error.code))
        else:
            log.info("works again", extra=logs.fields(stage=stage, endpoint=name))

    def _work(self, stage: Stage) -> Work[Any, Any]:
        match stage:
            case Stage.TRANSCRIPTION:
                return Transcription(self._clients, _SILENCE, "en")
            case Stage.CHAT:
                return Chat(self._clients, _QUESTION)
            case Stage.SPEECH:
                return Spoken(self._clients, _WORDS)


def _forget(piece: object) -> None:
    return
