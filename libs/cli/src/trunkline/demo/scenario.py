"""What there is to show: who speaks how, who answers, and when it counts as shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trunkline.demo import verdict
from trunkline.demo.report import CallerResult

Problems = Callable[[CallerResult, Mapping[str, Any], Sequence[float]], list[str]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One call. Files are those of `trunkline.scenarios`."""

    name: str
    """What its recording and report are called."""
    model: str
    caller: str
    problems: Problems
    """What is missing for the call, in words."""
    profile: str | None = None
    """The agent that answers; None: the repository's own."""


CONVERSATION: Final = Scenario("call", "demo-model.yaml", "demo-caller.yaml", verdict.problems)
TRANSFER: Final = Scenario(
    "transfer",
    "transfer-model.yaml",
    "transfer-caller.yaml",
    verdict.problems_of_transfer,
    profile="transfer-agent.yaml",
)
