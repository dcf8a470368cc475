"""The orchestrator put together."""

from collections.abc import Mapping
from functools import partial

from common import ids
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.profile import AgentProfile
from common.profile_watch import ProfileWatch
from common.profiles import Profiles
from orchestrator import following_part
from orchestrator.api import Api
from orchestrator.core.phone_numbers import CountryOf
from orchestrator.dynamo.call_log import CallLog
from orchestrator.dynamo.call_log_table import CallLogTable
from orchestrator.dynamo.client import Dynamo
from orchestrator.dynamo.tasks import DynamoTaskStore
from orchestrator.graph import OwnGraphs
from orchestrator.knowledge.choosing import knowledge
from orchestrator.knowledge.knowledge import Knowledge
from orchestrator.part import Part
from orchestrator.records import price_file
from orchestrator.records.erasing import Eraser
from orchestrator.records.recorder import Recorder
from orchestrator.records.retention import Retention
from orchestrator.service import OrchestratorService
from orchestrator.settings import OrchestratorSettings
from orchestrator.stores.database import Database
from orchestrator.stores.readiness import DatabaseReady
from orchestrator.stores.tool_runs import ToolRuns
from orchestrator.tools import part as tools_part

_SETTING = "ORCHESTRATOR_AGENT_PROFILES"


def build(settings: OrchestratorSettings) -> OrchestratorService:
    """A replica that has not started. Raises `ConfigError` for what the operator must mend."""
    replica_id = ids.new_id("orchestrator")
    bus = Bus(settings.nats_servers, replica_id)
    facts = FactWriter(bus)
    database = Database(settings.orchestrator_database_url.get_secret_value())
    dynamo = Dynamo(settings.aws_region, settings.aws_endpoint_url)
    watch, own_graphs = ProfileWatch(settings.orchestrator_agent_profiles, _SETTING), OwnGraphs()
    known = knowledge(settings, watch, dynamo)

    def profiles() -> Mapping[str, AgentProfile]:
        return known.profiles.by_name

    store = DynamoTaskStore(dynamo, settings.tasks_table_name) if settings.tasks_table_name else None
    tools = tools_part.build(settings, bus, database, profiles, replica_id, task_store=store)
    own_graphs.load(profiles().values())

    def check(changed: Profiles) -> None:
        own_graphs.load(changed.by_name.values())
        for profile in changed.by_name.values():
            tools.registry.check(profile)

    watch.demand(check)
    following = following_part.build(
        settings, bus, facts, database, replica_id, profiles, known, tools.registry, own_graphs
    )
    call_log = _call_log(settings, dynamo)
    eraser = Eraser(database, (following, ToolRuns(database)), () if call_log is None else (call_log,))
    country_of = partial(_country_of, known)
    records = _records(settings, bus, database, eraser, country_of)
    parts: list[Part] = [
        *((dynamo,) if _uses_dynamo(settings) else ()),
        DatabaseReady(database, settings.orchestrator_migrate),
        known,
        tools,
        following,
        *records,
        *((CallLog(bus, call_log, country_of),) if call_log is not None else ()),
    ]
    return OrchestratorService(
        replica_id, bus, facts, database, parts, settings.nats_replicas, settings.orchestrator_drain_deadline_s
    )


def _records(
    settings: OrchestratorSettings, bus: Bus, database: Database, eraser: Eraser, country_of: CountryOf
) -> list[Part]:
    """Facts into tables, and out of them again: by the API, or for good when their time is over."""
    return [
        Recorder(bus, database, price_file.load(settings.orchestrator_prices)),
        Retention(eraser, settings.orchestrator_keep_transcripts_days, settings.orchestrator_keep_calls_days),
        Api(
            database,
            eraser,
            country_of,
            settings.orchestrator_api_key,
            settings.orchestrator_host,
            settings.orchestrator_port,
        ),
    ]


def _call_log(settings: OrchestratorSettings, dynamo: Dynamo) -> CallLogTable | None:
    """The table that gets a line for every turn, if there is one."""
    if not settings.call_logs_table_name:
        return None
    return CallLogTable(dynamo, settings.call_logs_table_name, settings.orchestrator_keep_transcripts_days)


def _country_of(known: Knowledge, name: str) -> str:
    profile = known.profiles.by_name.get(name)
    return profile.country if profile is not None else "US"


def _uses_dynamo(settings: OrchestratorSettings) -> bool:
    return any(
        (
            settings.prompts_table_name,
            settings.faq_table_name,
            settings.call_logs_table_name,
            settings.tasks_table_name,
        )
    )
