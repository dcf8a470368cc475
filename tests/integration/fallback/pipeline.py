"""The pipeline's stages in this process, asked as calls ask them, and what is counted of that."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import REGISTRY
from pydantic import SecretStr

from common.pipeline import ChatEndpoint, SpeechEndpoint, StageEndpoint
from fallback.core.stage_health import StageHealth
from fallback.core.vocabulary import Stage, StagesChanged
from fallback.pipeline.chat import Chat, Written
from fallback.pipeline.clients import Clients
from fallback.pipeline.speech import Spoken
from fallback.pipeline.stages import Stages, Work
from fallback.pipeline.transcription import Transcription

KINDS = {Stage.TRANSCRIPTION: StageEndpoint, Stage.CHAT: ChatEndpoint, Stage.SPEECH: SpeechEndpoint}
MODELS = {Stage.TRANSCRIPTION: "gpt-transcribe", Stage.CHAT: "gpt-5.4-mini", Stage.SPEECH: "gpt-4o-mini-tts"}
QUESTION = ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"})


def endpoint(stage: Stage, base_url: str, name: str, key: str = "sk-test", **more: Any) -> Any:
    """One of a stage."""
    given = {"model": MODELS[stage], "timeout_s": 3.0, **more}
    return KINDS[stage](name=name, base_url=base_url, **given).model_copy(update={"api_key": SecretStr(key)})


def attempts(stage: Stage, name: str) -> Mapping[str, int]:
    """How attempts at an endpoint were counted so far, by their result."""
    found = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            labels = sample.labels
            is_ours = labels.get("stage") == stage.value and labels.get("endpoint") == name
            if sample.name == "trunkline_stage_attempts_total" and is_ours and sample.value:
                found[labels["result"]] = round(sample.value)
    return found


@dataclass
class Asking:
    """The stages of one process."""

    clients: Clients = field(default_factory=Clients)
    stages: Stages = field(default_factory=lambda: Stages(StageHealth({})))
    pieces: list[Any] = field(default_factory=list)
    told: list[StagesChanged] = field(default_factory=list)

    def know(self, endpoints: Mapping[Stage, Iterable[Any]]) -> None:
        """These are its endpoints."""
        self.stages = Stages(StageHealth({stage: [each.name for each in those] for stage, those in endpoints.items()}))
        self.stages.listen(lambda: self.told.append(self.stages.health.standing))

    def work(self, stage: Stage, said: str = "Hello.", pcmu: bytes = bytes(8_000), **more: Any) -> Any:
        """Something to do for a stage."""
        match stage:
            case Stage.TRANSCRIPTION:
                return Transcription(self.clients, pcmu, "en")
            case Stage.CHAT:
                return Chat(self.clients, more.get("messages", QUESTION), more.get("tools", ()))
            case Stage.SPEECH:
                return Spoken(self.clients, said)

    async def run(self, stage: Stage, *endpoints: Any, work: Work[Any, Any] | None = None, **more: Any) -> list[Any]:
        """What comes of asking these endpoints, in their order."""
        self.pieces = []
        await self.stages.run(stage, endpoints, work or self.work(stage, **more), self.pieces.append)
        return self.pieces

    @property
    def text(self) -> str:
        """What the chat model has said."""
        return "".join(piece for piece in self.pieces if isinstance(piece, str))

    @property
    def written(self) -> Written:
        """How it ended."""
        ended = self.pieces[-1]
        assert isinstance(ended, Written)
        return ended


@contextlib.asynccontextmanager
async def asking(*endpoints: tuple[Stage, Any]) -> AsyncIterator[Asking]:
    """A process with these endpoints."""
    process = Asking()
    process.know({stage: [each for of, each in endpoints if of is stage] for stage in Stage})
    try:
        yield process
    finally:
        await process.clients.close()
