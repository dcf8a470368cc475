"""The composition root: the only place that knows every part."""

import random
from typing import Final

from common import ids
from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.messages.offers import Offer
from realtime_worker import connection
from realtime_worker.backends.realtime.codec import RealtimeCodec, socket_url
from realtime_worker.endpoints import Endpoint, Endpoints
from realtime_worker.opening import Opener
from realtime_worker.probing import Probing
from realtime_worker.settings import EndpointSetting, RealtimeWorkerSettings
from realtime_worker.warm_sessions import WarmSessions
from talker.core.slots import Slots
from talker.core.subject import Patience
from talker.edge_link import EdgeLink
from talker.outcomes import Outcomes
from talker.service import TalkerService
from talker.session import Around, CallSession
from talker.switchboard import Switchboard

_KEEP_S: Final = 60.0
"""Agent audio is kept so long for edges that were away from the bus: as long as a call is held without it."""


def build(settings: RealtimeWorkerSettings) -> TalkerService:
    """A worker that has not started."""
    talker_id = ids.new_id("worker")
    bus = Bus(settings.nats_servers, talker_id)
    outcomes = Outcomes(bus, talker_id)
    places = [_endpoint(each, outcomes, settings.realtime_worker_open_timeout_s) for each in settings.endpoints()]
    model = settings.realtime_worker_model
    warm = WarmSessions(
        places[0].opener, model, settings.realtime_worker_warm_sessions, settings.realtime_worker_warm_max_age_s
    )
    batcher = Batcher(bus, "agent", tick=lambda: 0.0, keep_s=_KEEP_S)
    facts = FactWriter(bus)

    endpoints = Endpoints(bus, places, model, warm)
    around = Around(
        talker_id=talker_id,
        default_model=model,
        patience=_patience(settings),
        max_age_s=lambda: settings.realtime_worker_session_max_age_s * random.uniform(0.95, 1.0),  # noqa: S311
        open_speech=endpoints.open,
        bus=bus,
        batcher=batcher,
        facts=facts,
        outcomes=outcomes,
        link=lambda offer: EdgeLink(bus, talker_id, offer.edge_id, offer.call_id, offer.epoch),
    )

    def new_session(offer: Offer) -> CallSession:
        return CallSession(offer, around)

    slots = Slots(settings.realtime_worker_capacity)
    lowered_at_least_s = settings.realtime_worker_lowered_at_least_s
    switchboard = Switchboard(
        talker_id, "realtime_worker", slots, new_session, batcher.resend, lowered_at_least_s, endpoints.admits
    )
    endpoints.on_word = lambda: switchboard.raise_level(endpoints.may_go_first)
    return TalkerService(
        talker_id,
        "realtime_worker",
        "realtime",
        bus,
        switchboard,
        batcher,
        facts,
        outcomes,
        {"warm sessions": warm, "endpoints": endpoints, "probing": Probing(bus, talker_id, endpoints)},
        settings.realtime_worker_drain_deadline_s,
    )


def _endpoint(given: EndpointSetting, outcomes: Outcomes, timeout_s: float) -> Endpoint:
    key = given.api_key.get_secret_value()
    tls = connection.tls_for(socket_url(given.base_url))
    opener = Opener(lambda: RealtimeCodec(given.base_url, key, given.name), tls, outcomes, timeout_s)
    return Endpoint(given.name, opener, given.model)


def _patience(settings: RealtimeWorkerSettings) -> Patience:
    return Patience(
        answer_s=settings.realtime_worker_answer_timeout_s,
        retries=settings.realtime_worker_response_retries,
        orphan_s=settings.realtime_worker_orphan_after_s,
    )
