"""The sign of life of one process, every 100 to 200 ms."""

from pydantic import Field

from common.messages.base import Message
from common.subjects import ProcessKind


class Heartbeat(Message):
    """Load and readiness of one process. `capacity` 0 means: takes no calls."""

    kind: ProcessKind
    process_id: str
    calls: int = Field(ge=0)
    capacity: int = Field(ge=0)
    is_draining: bool = False
    is_farewell: bool = False
    """The last one of a process that ends on purpose."""
    loop_lag_ms: int = Field(0, ge=0)
    host: str = ""
    """Where it runs; in Kubernetes the pod's name."""
    pid: int = Field(0, ge=0)
    """Its process id there."""
