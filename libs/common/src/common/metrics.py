"""Every metric Trunkline exports: names, labels and buckets in one place (prefix `trunkline_`, base units, no ids)."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Info

_SETUP_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
_TURN_BUCKETS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 5, 10)
_FAST_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1)
_TAKEOVER_BUCKETS: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5)
_CALL_BUCKETS: Final = (5, 15, 30, 60, 120, 180, 300, 600, 1800, 3600)

# --- calls ----------------------------------------------------------------------------------------------------------
CALLS_OFFERED = Counter("trunkline_calls_offered", "Calls the carrier asked us to take", ["direction", "carrier"])
CALLS_ADMITTED = Counter("trunkline_calls_admitted", "Calls whose media leg was accepted", ["direction", "carrier"])
CALLS_REJECTED = Counter("trunkline_calls_rejected", "Calls turned away", ["direction", "carrier", "reason"])
CALLS_ENDED = Counter("trunkline_calls_ended", "Calls that ended", ["direction", "outcome"])
CALLS_ACTIVE = Gauge("trunkline_calls_active", "Calls this process carries now", ["service"])
CALL_SLOTS = Gauge("trunkline_call_slots_total", "Calls this process can carry", ["service"])
DRAINING = Gauge("trunkline_draining", "1 while the process takes no new calls because it is ending", ["service"])
CALL_DURATION = Histogram(
    "trunkline_call_duration_seconds",
    "Length of ended calls",
    ["direction", "outcome"],
    buckets=_CALL_BUCKETS,
)
CALL_SETUP = Histogram(
    "trunkline_call_setup_seconds",
    "Stream start to first agent audio sent",
    ["carrier"],
    buckets=_SETUP_BUCKETS,
)

# --- conversation ---------------------------------------------------------------------------------------------------
TURN_RESPONSE = Histogram(
    "trunkline_turn_response_seconds",
    "Caller stopped speaking to first agent audio leaving the edge",
    ["model", "path"],
    buckets=_TURN_BUCKETS,
)
FIRST_AUDIO = Histogram(
    "trunkline_first_audio_seconds", "Response begun to its first audio", ["model"], buckets=_TURN_BUCKETS
)
BARGE_INS = Counter("trunkline_barge_ins", "Times a caller spoke over the agent", ["model"])
BARGE_IN_STOP = Histogram(
    "trunkline_barge_in_stop_seconds",
    "Speech noticed to carrier buffer cleared",
    ["model"],
    buckets=_FAST_BUCKETS,
)
TRUNCATE_ERRORS = Counter("trunkline_truncate_errors", "Truncations the model refused; the call went on", ["model"])

# --- media path -----------------------------------------------------------------------------------------------------
AUDIO_FRAMES = Counter("trunkline_audio_frames", "Audio records moved", ["direction"])
AUDIO_DROPPED = Counter("trunkline_audio_frames_dropped", "Audio records not delivered", ["direction", "reason"])
AUDIO_GAP = Histogram(
    "trunkline_audio_gap_seconds", "Silence within an agent turn because its audio came late", buckets=_TURN_BUCKETS
)
STALE_EPOCH_FRAMES = Counter(
    "trunkline_audio_stale_epoch_frames", "Agent records of a talker that is not the current one; dropped"
)

COMFORT_CLIPS = Counter("trunkline_comfort_clips", "Local clips played to cover silence that was ours")

# --- talkers --------------------------------------------------------------------------------------------------------
OFFERS = Counter("trunkline_offers", "Offers of a call to a pool of talkers", ["pool", "result"])
TAKEOVERS = Counter("trunkline_takeovers", "Changes of talker", ["cause", "result"])
TAKEOVER = Histogram("trunkline_takeover_seconds", "Change of talker, by phase", ["phase"], buckets=_TAKEOVER_BUCKETS)
REATTACHED = Counter(
    "trunkline_reattached", "Calls that came back with another stream, by what became of their talker", ["result"]
)
SESSION_READY = Histogram(
    "trunkline_session_ready_seconds", "Connect to speech session ready", ["model"], buckets=_SETUP_BUCKETS
)
TALKERS_LOST = Counter("trunkline_talkers_lost", "Talkers an edge gave up", ["evidence"])
TALKER_HOLDS = Counter("trunkline_talker_holds", "Times an edge missed talkers and doubted itself or the bus", ["why"])
TALKER_NOTICE = Histogram(
    "trunkline_talker_notice_seconds", "Last sign of life of a talker to its loss noticed", buckets=_TAKEOVER_BUCKETS
)
HANDOVERS_WISHED = Counter("trunkline_handovers_wished", "Sessions whose talker asked to be replaced", ["reason"])
ADOPTIONS = Counter("trunkline_adoptions", "Sessions asked to go on with another edge", ["result"])
WARM_SESSIONS = Gauge("trunkline_warm_sessions", "Speech sessions opened ahead of need")

# --- provider -------------------------------------------------------------------------------------------------------
PROVIDER_CONNECTS = Counter("trunkline_provider_connect", "Attempts to open a speech session", ["provider", "result"])
PROVIDER_ERRORS = Counter("trunkline_provider_errors", "Error events and failed responses", ["provider", "code"])
PROVIDER_CLOSES = Counter("trunkline_provider_ws_closes", "Speech sockets closed by the provider", ["provider", "code"])
CALLS_BY_LEVEL = Gauge("trunkline_service_level_calls", "Calls this process talks in, by service level", ["level"])
LEVEL_SECONDS = Counter("trunkline_service_level_seconds", "Time calls were talked in, by service level", ["level"])
LEVEL_CHANGES = Counter("trunkline_service_level_changes", "Changes of a call's service level", ["level", "cause"])
STAGE_ATTEMPTS = Counter(
    "trunkline_stage_attempts", "Attempts at a stage of the turn-based pipeline", ["stage", "endpoint", "result"]
)
STAGE_SECONDS = Histogram(
    "trunkline_stage_seconds", "Stage asked to its first result", ["stage", "endpoint"], buckets=_TURN_BUCKETS
)
STAGE_UP = Gauge("trunkline_stage_up", "1 while a stage has an endpoint that works", ["stage"])
MENU_CHOICES = Counter("trunkline_menu_choices", "Choices callers made in the keypad menu", ["choice"])
MESSAGES_LEFT = Counter("trunkline_messages_left", "Messages callers left", ["result"])
TRANSFERS = Counter("trunkline_transfers", "Callers given to a human", ["result"])
PROVIDER_OUTCOMES = Counter(
    "trunkline_provider_outcomes",
    "Attempts at a provider by what they say of it, as the fallback service hears of them",
    ["provider", "attempt", "verdict"],
)
BREAKER_STATE = Gauge(
    "trunkline_breaker_state",
    "0 closed, 1 ramping, 2 half open, 3 open; of the deciding replica",
    ["provider", "model"],
)
BREAKER_SHARE = Gauge(
    "trunkline_breaker_share_ratio", "Share of new calls a provider may be given, 0 to 1", ["provider", "model"]
)
BREAKER_CHANGES = Counter(
    "trunkline_breaker_changes", "Changes of a breaker's state", ["provider", "model", "state", "reason"]
)
BREAKER_DECIDING = Gauge("trunkline_breaker_deciding", "1 in the replica of the fallback service that decides")
TOKENS = Counter("trunkline_tokens", "Tokens used", ["model", "kind", "dir"])
INSTRUCTION_REVISIONS = Counter(
    "trunkline_instruction_revisions",
    "Revisions of an agent's instructions, by what the talker made of them",
    ["result"],
)
INSTRUCTIONS_APPLY = Histogram(
    "trunkline_instructions_apply_seconds",
    "Revision received by the talker to its being in force",
    buckets=_FAST_BUCKETS,
)
TOOLS_REFUSED = Counter("trunkline_tools_refused", "Tools a model asked for that the talker did not have run", ["why"])

# --- tools ----------------------------------------------------------------------------------------------------------
TOOL_CALLS = Counter("trunkline_tool_calls", "Requests for tools, by what came of them", ["tool_class", "result"])
TOOL_SECONDS = Histogram(
    "trunkline_tool_seconds",
    "Tool begun to its result",
    ["tool"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
MCP_SERVER_UP = Gauge("trunkline_mcp_server_up", "1 while an MCP server is connected", ["server"])

# --- re-attachment --------------------------------------------------------------------------------------------------
REATTACHMENT = Histogram(
    "trunkline_reattachment_seconds", "New stream proven to its call going on here", buckets=_TAKEOVER_BUCKETS
)
ORPHANS_CLOSED = Counter("trunkline_orphans_closed", "Calls of lost edges that never came back and were closed")
LAST_RESORTS = Counter("trunkline_last_resorts", "Calls no talker could be found for, by what was done", ["kind"])
RESCUES = Counter("trunkline_rescues", "Calls of lost edges brought back by the carrier's REST API", ["result"])

# --- bus ------------------------------------------------------------------------------------------------------------
NATS_CONNECTED = Gauge("trunkline_nats_connected", "1 while connected to NATS")
NATS_RTT = Histogram("trunkline_nats_rtt_seconds", "Round trip to the NATS server", buckets=_FAST_BUCKETS)
NATS_RECONNECTS = Counter("trunkline_nats_reconnects", "Reconnections to NATS")
NATS_SLOW_CONSUMER = Counter("trunkline_nats_slow_consumer", "Messages dropped because a subscription was full")
NATS_WATCHDOG_ABORTS = Counter("trunkline_nats_watchdog_aborts", "Connections aborted because NATS stopped answering")
BUS_REJECTS = Counter("trunkline_bus_rejects", "Bus messages refused", ["kind"])
FACTS_PENDING = Gauge("trunkline_facts_unacknowledged", "Facts the stream has not acknowledged yet")
FACTS_LOST = Counter("trunkline_facts_lost", "Facts given up before the stream acknowledged them")

# --- knowledge and tables -------------------------------------------------------------------------------------------
KNOWLEDGE_REFRESHES = Counter(
    "trunkline_knowledge_refresh",
    "Looks at a source of instructions or answers, by what came of it",
    ["source", "result"],
)
KNOWLEDGE_DROPPED = Counter("trunkline_knowledge_dropped", "Answers left out of instructions", ["why"])
DYNAMO_REQUESTS = Counter(
    "trunkline_dynamo_requests", "Requests to DynamoDB, by what came of them", ["operation", "result"]
)
CALL_LOG_LINES = Counter("trunkline_call_log_lines", "Turns for the call log, by what became of them", ["result"])

# --- records --------------------------------------------------------------------------------------------------------
RECORDS_WRITTEN = Counter("trunkline_records_written", "Facts written into the call records", ["kind"])
RECORDS_REFUSED = Counter("trunkline_records_refused", "Facts that could not be recorded, for good", ["why"])
RECORDS_DEFERRED = Counter("trunkline_records_deferred", "Facts given back to the stream while the database was away")
RECORDS_LAG = Gauge("trunkline_records_lag", "Messages of a stream that are not in the call records yet", ["source"])
RECORDS_DELETED = Counter("trunkline_records_deleted", "Calls whose words, or whole records, were deleted", ["what"])
COST_UNKNOWN = Counter("trunkline_cost_unknown", "Responses the price table has no price for")

# --- process --------------------------------------------------------------------------------------------------------
PROFILE_RELOADS = Counter("trunkline_profile_reloads", "Changed agent profiles, taken or refused", ["result"])
LOOP_LAG = Gauge("trunkline_loop_lag_seconds", "How late the event loop ran, last measurement", ["service"])
SECURITY_REJECTS = Counter("trunkline_security_rejects", "Requests refused for security reasons", ["kind"])
CARRIER_PROTOCOL_ERRORS = Counter(
    "trunkline_carrier_protocol_errors", "Messages of a carrier that broke its protocol", ["carrier", "kind"]
)
REGISTRY_UNWRITTEN = Gauge("trunkline_registry_unwritten", "Calls whose newest registry entry is not written yet")
KV_CAS_CONFLICTS = Counter(
    "trunkline_kv_cas_conflicts", "Registry writes that found a newer entry than the one they knew"
)
REGISTRY_ERRORS = Counter("trunkline_registry_errors", "Registry or nonce operations that failed", ["bucket"])
BUILD_INFO = Info("trunkline_build", "Version of this process")

# --- orchestrator ---------------------------------------------------------------------------------------------------
PARTITIONS_FOLLOWED = Gauge("trunkline_partitions_followed", "Partitions of calls this replica follows")
CALLS_FOLLOWED = Gauge("trunkline_calls_followed", "Calls whose graph this replica has in memory")
GRAPH_SECONDS = Histogram("trunkline_graph_seconds", "One run of a call's graph", buckets=_TURN_BUCKETS)
GRAPH_FAILURES = Counter("trunkline_graph_failures", "Graphs of profiles, or runs of ours, that failed", ["result"])
ROUTINGS = Counter("trunkline_routings", "Questions to the router which agent should have the caller", ["result"])
ROUTING_SECONDS = Histogram("trunkline_routing_seconds", "Router asked to its answer", buckets=_TURN_BUCKETS)
REVISIONS_PUBLISHED = Counter("trunkline_instruction_revisions_published", "Revisions of live agents' instructions")
REVISIONS_UNAPPLIED = Counter(
    "trunkline_instruction_revisions_unapplied", "Revisions no talker has put in force however often they were repeated"
)
INSTRUCTIONS_SECONDS = Histogram(
    "trunkline_instructions_seconds", "Revision published to a talker saying that it is in force", buckets=_FAST_BUCKETS
)
