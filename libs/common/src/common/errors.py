"""The errors every service speaks: who must act, whether a retry helps, and what the caller's leg is told."""

from typing import ClassVar


class TrunklineError(Exception):
    """Base of all our errors. `code` is a bounded label for metrics; messages never hold spoken words or secrets."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    hang_up_cause: ClassVar[str] = "platform_error"


class ConfigError(TrunklineError):
    """The operator must act: a setting is missing, misspelt or wrong. The message names it. Exit code 2."""

    code = "config"


class LocalProtocolError(TrunklineError):
    """Our own bug: an illegal move, a frame we should never have built."""

    code = "local_protocol"


class RemoteProtocolError(TrunklineError):
    """The peer broke the protocol. Count it and handle that one connection; others go on."""

    code = "remote_protocol"
    hang_up_cause = "carrier_error"


class SecurityError(RemoteProtocolError):
    """The peer could not prove who it is. `kind` is the label of `trunkline_security_rejects_total`."""

    code = "security"

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class UpstreamUnavailable(TrunklineError):
    """The provider (or the bus) cannot be reached or broke off. Another try, or another endpoint, may work."""

    code = "unavailable"
    retryable = True


class UpstreamThrottled(TrunklineError):
    """The provider limits our rate. Wait; this is not an outage."""

    code = "throttled"
    retryable = True


class UpstreamRejected(TrunklineError):
    """The provider refuses us for good: bad key, no access, no credit. The operator must act."""

    code = "rejected"


class CapacityError(TrunklineError):
    """Normal when full: this process takes no more calls now."""

    code = "capacity"
    retryable = True


class StorageUnavailable(TrunklineError):
    """A disk cannot be written or read. The operator must act; calls go on without what it would have kept."""

    code = "storage"


class DeadlineExceeded(TrunklineError):
    """A step took longer than it may. `step` names it."""

    code = "deadline"
    retryable = True

    def __init__(self, step: str, limit_s: float) -> None:
        super().__init__(f"{step} took longer than {limit_s:g} s")
        self.step = step
