"""The settings of the fallback service."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr

from common import pipeline
from common.errors import ConfigError
from common.left_messages import DEFAULT_DIRECTORY
from common.pipeline import Pipeline
from common.settings import ApiBaseUrl, Port, ServiceSettings
from fallback.core.thresholds import Thresholds

PREFIX = "FALLBACK_"
_PIPELINE_IF_THERE: Final = Path("agents") / pipeline.FILE_NAME
_NO_FILE: Final = Path("none")
_ONLY_WITHOUT_A_FILE: Final = (
    "fallback_transcription_model",
    "fallback_chat_model",
    "fallback_speech_model",
    "fallback_speech_voice",
)


class FallbackSettings(ServiceSettings):
    """Read once, in `__main__`."""

    openai_api_key: SecretStr | None = Field(None, description="OpenAI API key")
    openai_base_url: ApiBaseUrl = Field("https://api.openai.com/v1", description="API base URL")
    fallback_pipeline: Path | None = Field(
        None,
        description="File with the pipeline's endpoints, or none; not set: agents/pipeline.toml if there, else OpenAI",
    )
    fallback_transcription_model: str = Field(
        pipeline.TRANSCRIPTION_MODEL, min_length=1, description="What writes down the caller's words, without a file"
    )
    fallback_chat_model: str = Field(
        pipeline.CHAT_MODEL, min_length=1, description="What answers the caller, without a file"
    )
    fallback_speech_model: str = Field(pipeline.SPEECH_MODEL, min_length=1, description="What speaks, without a file")
    fallback_speech_voice: str = Field(pipeline.SPEECH_VOICE, min_length=1, description="Its voice, without a file")
    fallback_lowered_at_least_s: float = Field(
        60.0, ge=0, le=3_600, description="A call stays here for so long before it is brought back to realtime"
    )
    fallback_drain_deadline_s: float = Field(
        600.0, ge=0, le=90_000, description="Longest wait for running calls to be handed over when ending"
    )
    fallback_capacity: int = Field(50, ge=1, le=2_000, description="Calls one replica carries at most")

    fallback_breaker_window_s: float = Field(10.0, description="Attempts of the last seconds a breaker decides by")
    fallback_breaker_failed_percent: float = Field(50.0, description="Failed attempts that open it, in percent")
    fallback_breaker_attempts_at_least: int = Field(10, description="Attempts without which that means nothing")
    fallback_breaker_connects_in_a_row: int = Field(5, description="Failed connects in a row that open it")
    fallback_breaker_ready_s: float = Field(3.0, description="95th percentile of session opening that opens it")
    fallback_breaker_sessions_at_least: int = Field(20, description="Sessions without which that means nothing")
    fallback_breaker_open_s: float = Field(5.0, description="First wait until the provider is tried again")
    fallback_breaker_open_at_most_s: float = Field(60.0, description="Each further wait is twice as long, up to this")
    fallback_breaker_probes: int = Field(5, description="Sessions without a caller that must work, one by one")
    fallback_breaker_probe_within_s: float = Field(5.0, description="A probe that takes longer has failed")
    fallback_breaker_ramp_percent: str = Field("10,25,50,100", description="Steps of new calls on the way back")
    fallback_breaker_ramp_step_s: float = Field(60.0, description="Length of each step")
    fallback_breaker_dwell_s: float = Field(10.0, description="A breaker changes at most twice in so long")
    fallback_prompts: Path = Field(Path("agents/prompts"), description="Directory of prompts, a folder each")
    fallback_messages: Path = Field(DEFAULT_DIRECTORY, description="Directory of the messages callers leave")
    fallback_messages_max_mb: int = Field(1024, ge=1, description="Room for them; then no message is taken")
    fallback_ops_port: Port = Field(9103, description="Port of /livez, /readyz and /metrics; 0: any")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        openai = () if self.openai_api_key is None else (self.openai_api_key.get_secret_value(),)
        read = self.pipeline()
        return tuple(dict.fromkeys((*openai, *(read.secrets if read else ()))))

    @property
    def pipeline_file(self) -> Path | None:
        """The file that names the endpoints, if there is one."""
        if self.fallback_pipeline is None:
            return _PIPELINE_IF_THERE if _PIPELINE_IF_THERE.is_file() else None
        return None if self.fallback_pipeline == _NO_FILE else self.fallback_pipeline

    def pipeline(self, environ: Mapping[str, str] = os.environ) -> Pipeline | None:
        """The pipeline with its keys; None without a file and without a key: no call can be served by models here.

        Raises `ConfigError` naming the file and what is wrong in it, or the variable that should hold a key.
        """
        if (file := self.pipeline_file) is not None:
            self._refuse_models_beside(file)
            try:
                return pipeline.load_pipeline(file).with_keys(environ)
            except ConfigError as error:
                raise ConfigError(f"FALLBACK_PIPELINE: {error}") from None
        if self.openai_api_key is None:
            return None
        return pipeline.of_openai(
            self.openai_base_url,
            transcription_model=self.fallback_transcription_model,
            chat_model=self.fallback_chat_model,
            speech_model=self.fallback_speech_model,
            voice=self.fallback_speech_voice,
        ).with_keys({pipeline.OPENAI_KEY_NAME: self.openai_api_key.get_secret_value()})

    def _refuse_models_beside(self, file: Path) -> None:
        for name in _ONLY_WITHOUT_A_FILE:
            if name in self.model_fields_set:
                raise ConfigError(f"{name.upper()}: {file} says which models are used; remove the one or the other")

    def thresholds(self) -> Thresholds:
        """What breakers decide by. Raises `ConfigError` naming the values that make no sense."""
        try:
            ramp = tuple(float(step) / 100 for step in self.fallback_breaker_ramp_percent.split(","))
        except ValueError:
            raise ConfigError(
                f"FALLBACK_BREAKER_RAMP_PERCENT: {self.fallback_breaker_ramp_percent!r} is no list of percentages, "
                "such as 10,25,50,100"
            ) from None
        try:
            return Thresholds(
                window_s=self.fallback_breaker_window_s,
                failed_share=self.fallback_breaker_failed_percent / 100,
                attempts_at_least=self.fallback_breaker_attempts_at_least,
                connects_failed_in_a_row=self.fallback_breaker_connects_in_a_row,
                ready_p95_s=self.fallback_breaker_ready_s,
                sessions_at_least=self.fallback_breaker_sessions_at_least,
                open_s=self.fallback_breaker_open_s,
                open_at_most_s=self.fallback_breaker_open_at_most_s,
                probes_to_pass=self.fallback_breaker_probes,
                probe_within_s=self.fallback_breaker_probe_within_s,
                ramp=ramp,
                ramp_step_s=self.fallback_breaker_ramp_step_s,
                dwell_s=self.fallback_breaker_dwell_s,
            )
        except ConfigError as error:
            raise ConfigError(f"FALLBACK_BREAKER_…: {error}") from None
