"""Whole outages in one posting: the faults they are made of."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from pydantic import Field

from simulators.openai.faults.strict import Strict

Fault = dict[str, Any]
_RUNNING: Final = {"sessions": "running"}
_NEW: Final = {"sessions": "new"}


class Outage(Strict):
    """`{"outage": "total"}`: all of it goes; `DELETE /_sim/faults` ends it."""

    outage: Literal["total", "realtime", "http", "rate_limit"]
    """`realtime`: speech sessions only; `http`: a pipeline's endpoints only; `rate_limit`: all is throttled."""
    how: Literal["refuse", "black_hole"] = "refuse"
    """`refuse`: running sessions are closed, new ones and requests answered with 503; `black_hole`: silence."""
    retry_after_s: float = Field(20.0, ge=0)
    """Told with rate limits."""
    share: float = Field(1.0, gt=0, le=1)
    """Of the requests to the endpoints of a pipeline; speech sessions are all met."""

    def faults(self) -> list[Fault]:
        """What it is made of."""
        return _PARTS[self.outage](self)


def _realtime(outage: Outage) -> list[Fault]:
    if outage.how == "black_hole":
        return [
            {"kind": "black_hole", "stage": "session", "target": _RUNNING},
            {"kind": "black_hole", "stage": "handshake", "target": _NEW},
        ]
    return [{"kind": "close", "code": 1011, "target": _RUNNING}, {"kind": "refuse_upgrade", "status": 503}]


def _http(outage: Outage) -> list[Fault]:
    kind = {"kind": "http_black_hole"} if outage.how == "black_hole" else {"kind": "http_status", "status": 503}
    return [{**kind, "share": outage.share}]


def _rate_limit(outage: Outage) -> list[Fault]:
    return [
        {"kind": "rate_limit", "reset_seconds": outage.retry_after_s},
        {"kind": "http_status", "status": 429, "retry_after_s": outage.retry_after_s, "share": outage.share},
    ]


_PARTS: Final[Mapping[str, Callable[[Outage], list[Fault]]]] = {
    "total": lambda outage: _realtime(outage) + _http(outage),
    "realtime": _realtime,
    "http": _http,
    "rate_limit": _rate_limit,
}
