"""What every request for a tool needs to be carried out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.profile import AgentProfile
from orchestrator.core.owners import Owners
from orchestrator.stores.tool_runs import ToolRuns
from orchestrator.tools.call_facts import CallFacts
from orchestrator.tools.claiming import Claiming
from orchestrator.tools.context import Resources
from orchestrator.tools.registry import Registry
from orchestrator.tools.slots import Slots


@dataclass(frozen=True, slots=True)
class Workshop:
    """Of one replica; `profiles` are those of the moment."""

    replica_id: str
    registry: Registry
    profiles: Callable[[], Mapping[str, AgentProfile]]
    runs: ToolRuns
    claiming: Claiming
    facts: CallFacts
    owners: Owners
    slots: Slots
    resources: Resources
