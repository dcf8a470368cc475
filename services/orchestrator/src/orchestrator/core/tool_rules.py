"""What is laid down about a tool, whatever carries it out."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ToolClass(StrEnum):
    """What a tool does to the world: how careful everybody is with it depends on this alone."""

    READ = "read"
    """It looks something up: asked twice, nothing is lost."""
    WRITE = "write"
    """It changes something."""
    MONEY = "money"
    """It costs or moves money."""
    TELEPHONY = "telephony"
    """It does something with the call itself."""


TRANSFER: Final = "transfer_to_human"
"""The tool of which one may succeed: afterwards the caller is with somebody else."""


@dataclass(frozen=True, slots=True)
class ToolRules:
    """When a tool may run. `per_call` None: as often as all tools together may."""

    name: str
    tool_class: ToolClass
    is_confirmed: bool = False
    """The caller has to say yes before it is carried out."""
    per_call: int | None = None

    @property
    def may_run_again(self) -> bool:
        """True if a run that was lost halfway is simply run again."""
        return self.tool_class is ToolClass.READ


def rules_of(
    name: str, tool_class: ToolClass, *, is_confirmed: bool | None = None, per_call: int | None = None
) -> ToolRules:
    """Rules with what is not said filled in: what moves money wants a yes."""
    return ToolRules(
        name, tool_class, tool_class is ToolClass.MONEY if is_confirmed is None else is_confirmed, per_call
    )
