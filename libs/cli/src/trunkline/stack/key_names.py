"""Which variables hold keys although their names do not say whose: those the services' own settings point to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from common import pipeline
from common.errors import ConfigError
from realtime_worker.settings import other_key_names

NO_PIPELINE_FILE: Final = "none"


def pipeline_file(values: Mapping[str, str]) -> Path | None:
    """The file with the pipeline's endpoints: the one that is set, else the one beside the agents, if there is one."""
    if given := values.get("FALLBACK_PIPELINE"):
        return None if given == NO_PIPELINE_FILE else Path(given)
    beside = Path(values.get("EDGE_AGENT_PROFILES") or "agents") / pipeline.FILE_NAME
    return beside if beside.is_file() else None


def of_workers(values: Mapping[str, str]) -> frozenset[str]:
    """The variables `REALTIME_WORKER_OTHER_ENDPOINTS` points to."""
    try:
        return frozenset(other_key_names(values.get("REALTIME_WORKER_OTHER_ENDPOINTS", "")))
    except ConfigError:
        return frozenset()  # the worker says what is wrong with it


def of_fallbacks(values: Mapping[str, str]) -> frozenset[str]:
    """The variables the pipeline's file points to."""
    file = pipeline_file(values)
    try:
        return pipeline.load_pipeline(file).key_names if file else frozenset()
    except ConfigError:
        return frozenset()  # the fallback service says what is wrong with it
