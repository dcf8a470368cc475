"""Gets an attendant ready for an offered call: on the pipeline if that works, else in the menu."""

import time
from collections.abc import Callable

from common import ids
from common.messages.facts import LevelCause
from common.messages.offers import HandoverReason, Offer
from common.pipeline import Pipeline
from common.prompts import Prompts
from fallback.attended_speech import AttendedSpeech, Facilities
from fallback.core.attendant import Attendant
from fallback.core.hearing import Detector
from fallback.core.ladder import Rung
from fallback.core.prompt_voice import PromptVoice
from talker.port import Opened


class Opener:
    """Opens at once: nothing is asked of anybody before the caller says something."""

    def __init__(self, shared: Facilities, prompts: Prompts, new_detector: Callable[[], Detector]) -> None:
        self._shared = shared
        self._prompts = prompts
        self._new_detector = new_detector

    async def open(self, offer: Offer, model: str) -> Opened:
        """`talker.port.OpenSpeech`. Raises `ConfigError` for an agent whose prompts are not recorded here."""
        started = time.monotonic()
        profile = offer.profile
        fallback = profile.fallback
        prompts = self._prompts.of(fallback.prompts, profile.language, fallback.menu)
        rung, cause = self._begins(offer)
        answers_by_itself = offer.reason is HandoverReason.START
        attendant = Attendant(
            profile,
            PromptVoice(prompts, ids.new_id),
            self._new_detector(),
            ids.new_id,
            has_number=bool(offer.caller_number),
            answers_by_itself=answers_by_itself,
            begins_at=rung,
            cause=cause,
        )
        return Opened(
            AttendedSpeech(offer, attendant, self._shared),
            model_of(self._shared.pipeline),
            answers_by_itself,
            is_warm=False,
            open_s=time.monotonic() - started,
            service_level=rung.value,
            level_cause=cause,
        )

    def _begins(self, offer: Offer) -> tuple[Rung, LevelCause]:
        pipeline = self._shared.pipeline
        if pipeline is None:
            return Rung.MENU, LevelCause.STAGES_FAILED
        standing = self._shared.stages.standing_of(pipeline.for_profile(offer.profile.fallback))
        if not standing.are_up:
            return Rung.MENU, LevelCause.THROTTLED if standing.is_throttled else LevelCause.STAGES_FAILED
        return Rung.PIPELINE, LevelCause.ROLLOUT if offer.home == "fallback" else LevelCause.PROVIDER_FAILED


def model_of(pipeline: Pipeline | None) -> str:
    """What usage and metrics name as the model: the one that is asked first."""
    return pipeline.chat[0].model if pipeline is not None else "menu"
