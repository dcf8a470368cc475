"""What a tool may know of the call it runs in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from common.errors import LocalProtocolError
from common.profile import AgentProfile

T = TypeVar("T")


@dataclass(frozen=True)
class Resource(Generic[T]):
    """Something the process shares with its tools, by a key of its type: `TASKS = Resource[TaskStore]("tasks")`."""

    name: str


Resources = Mapping[Resource[Any], object]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Given to a tool function that has a parameter of this type; the model does not see that parameter."""

    call_id: str
    tool_call_id: str
    idempotency_key: str
    """The same whenever this request is repeated: hand it to whatever you call, so that it acts once, too."""
    profile: AgentProfile
    look_up_caller: Callable[[], Awaitable[str]]
    resources: Resources = field(default_factory=dict)

    @property
    def language(self) -> str:
        """What the agent speaks, as `en`."""
        return self.profile.language

    async def caller_number(self) -> str:
        """The caller's number in E.164, as the carrier gave it: no proof of who calls. Empty: withheld or not known."""
        return await self.look_up_caller()

    def resource(self, key: Resource[T]) -> T:
        """What the process shares under `key`. Raises `LocalProtocolError` if there is none."""
        if key not in self.resources:
            raise LocalProtocolError(f"no resource {key.name}")
        return cast("T", self.resources[key])
