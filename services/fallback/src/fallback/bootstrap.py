"""The fallback service put together: a talker for bad days, and beside it the breakers that know of them."""

from typing import Final

from common import ids
from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.messages.offers import Offer
from common.pipeline import Pipeline
from common.prompts import load_prompts
from fallback.attended_speech import Facilities
from fallback.core.stage_health import StageHealth
from fallback.core.vocabulary import Stage
from fallback.deciding import Deciding
from fallback.homecoming import Homecoming
from fallback.messages import Messages
from fallback.opening import Opener, model_of
from fallback.pipeline.clients import Clients
from fallback.pipeline.detector import SpeechDetector, SpeechModel
from fallback.pipeline.stages import Stages
from fallback.probing import Prober
from fallback.recorder import Keeping
from fallback.settings import FallbackSettings
from talker.core.slots import Slots
from talker.core.subject import Patience
from talker.edge_link import EdgeLink
from talker.outcomes import Outcomes
from talker.service import Beside, TalkerService
from talker.session import Around, CallSession
from talker.switchboard import Switchboard

_KEEP_S: Final = 60.0
"""Agent audio is kept so long for edges that were away from the bus: as long as a call is held without it."""
_PATIENCE: Final = Patience(answer_s=30.0, retries=0)
"""The ladder has its own deadlines, all of them shorter; this is for what nobody thought of."""
_NEVER: Final = float("inf")


def build(settings: FallbackSettings) -> TalkerService:
    """A replica that has not started. Raises `ConfigError` for thresholds, endpoints or prompts that make no sense."""
    replica_id = ids.new_id("fallback")
    limits, pipeline = settings.thresholds(), settings.pipeline()
    bus = Bus(settings.nats_servers, replica_id)
    facts = FactWriter(bus)
    batcher = Batcher(bus, "agent", tick=lambda: 0.0, keep_s=_KEEP_S)
    outcomes = Outcomes(bus, replica_id, has_breaker=False)
    opener, beside = _attending(settings, pipeline, facts)
    around = Around(
        talker_id=replica_id,
        default_model=model_of(pipeline),
        patience=_PATIENCE,
        max_age_s=lambda: _NEVER,
        open_speech=opener.open,
        bus=bus,
        batcher=batcher,
        facts=facts,
        outcomes=outcomes,
        link=lambda offer: EdgeLink(bus, replica_id, offer.edge_id, offer.call_id, offer.epoch),
    )

    def new_session(offer: Offer) -> CallSession:
        return CallSession(offer, around)

    slots, lowered_at_least_s = Slots(settings.fallback_capacity), settings.fallback_lowered_at_least_s
    switchboard = Switchboard(replica_id, "fallback", slots, new_session, batcher.resend, lowered_at_least_s)
    beside["breakers"] = Deciding(bus, replica_id, limits, facts, settings.nats_replicas)
    beside["homecoming"] = Homecoming(bus, switchboard)
    return TalkerService(
        replica_id,
        "fallback",
        "fallback",
        bus,
        switchboard,
        batcher,
        facts,
        outcomes,
        beside,
        settings.fallback_drain_deadline_s,
    )


def _attending(
    settings: FallbackSettings, pipeline: Pipeline | None, facts: FactWriter
) -> tuple[Opener, dict[str, Beside]]:
    """What answers callers here, and the work it has beside them."""
    prompts = load_prompts(settings.fallback_prompts)
    messages = Messages(settings.fallback_messages, settings.fallback_messages_max_mb)
    messages.check()
    stages = Stages(StageHealth({stage: pipeline.names(stage.value) for stage in Stage} if pipeline else {}))
    clients, keeping, model = Clients(), Keeping(messages, facts), SpeechModel()
    if pipeline is not None:
        clients.prepare(pipeline)
    shared = Facilities(stages, clients, pipeline, keeping.recorder)
    opener = Opener(shared, prompts, lambda: SpeechDetector(model))
    return opener, {"probing": Prober(stages, clients, pipeline), "messages": keeping}
