"""Who has the floor, as far as the model's answer is concerned: a table of every move."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Floor(Enum):
    """Whose move it is."""

    QUIET = "quiet"
    """Nobody waits for the model; the caller perhaps for a tool."""
    CALLER = "caller"
    """The caller speaks."""
    AWAITED = "awaited"
    """The caller waits for the agent's voice: the deadline runs."""
    RETRYING = "retrying"
    """The caller waits, and the answer has failed: it will be asked for again."""
    AGENT = "agent"
    """The agent's voice is coming."""


class Moment(Enum):
    """What moves the floor."""

    CALLER_BEGAN = "caller_began"
    CALLER_ENDED = "caller_ended"
    ASKED = "asked"
    """We asked for an answer."""
    VOICE_CAME = "voice_came"
    ANSWER_ENDED = "answer_ended"
    ANSWER_FAILED = "answer_failed"
    WAS_ANSWERED = "was_answered"
    """The talker before has answered what the caller said."""
    TOOL_WANTED = "tool_wanted"
    """The model has asked for a tool instead: until that has run, its silence is no failure."""


_F, _M = Floor, Moment

FLOOR: Final[Mapping[tuple[Floor, Moment], Floor]] = {
    (_F.QUIET, _M.CALLER_BEGAN): _F.CALLER,
    (_F.QUIET, _M.CALLER_ENDED): _F.AWAITED,
    (_F.QUIET, _M.ASKED): _F.AWAITED,
    (_F.QUIET, _M.VOICE_CAME): _F.AGENT,
    (_F.QUIET, _M.ANSWER_ENDED): _F.QUIET,
    (_F.QUIET, _M.ANSWER_FAILED): _F.QUIET,
    (_F.QUIET, _M.WAS_ANSWERED): _F.QUIET,
    (_F.QUIET, _M.TOOL_WANTED): _F.QUIET,
    (_F.CALLER, _M.CALLER_BEGAN): _F.CALLER,
    (_F.CALLER, _M.CALLER_ENDED): _F.AWAITED,
    (_F.CALLER, _M.ASKED): _F.CALLER,
    (_F.CALLER, _M.VOICE_CAME): _F.AGENT,
    (_F.CALLER, _M.ANSWER_ENDED): _F.CALLER,
    (_F.CALLER, _M.ANSWER_FAILED): _F.CALLER,
    (_F.CALLER, _M.WAS_ANSWERED): _F.CALLER,
    (_F.CALLER, _M.TOOL_WANTED): _F.CALLER,
    (_F.AWAITED, _M.CALLER_BEGAN): _F.CALLER,
    (_F.AWAITED, _M.CALLER_ENDED): _F.AWAITED,
    (_F.AWAITED, _M.ASKED): _F.AWAITED,
    (_F.AWAITED, _M.VOICE_CAME): _F.AGENT,
    (_F.AWAITED, _M.ANSWER_ENDED): _F.AWAITED,
    (_F.AWAITED, _M.ANSWER_FAILED): _F.RETRYING,
    (_F.AWAITED, _M.WAS_ANSWERED): _F.QUIET,
    (_F.AWAITED, _M.TOOL_WANTED): _F.QUIET,
    (_F.RETRYING, _M.CALLER_BEGAN): _F.CALLER,
    (_F.RETRYING, _M.CALLER_ENDED): _F.AWAITED,
    (_F.RETRYING, _M.ASKED): _F.AWAITED,
    (_F.RETRYING, _M.VOICE_CAME): _F.AGENT,
    (_F.RETRYING, _M.ANSWER_ENDED): _F.RETRYING,
    (_F.RETRYING, _M.ANSWER_FAILED): _F.RETRYING,
    (_F.RETRYING, _M.WAS_ANSWERED): _F.QUIET,
    (_F.RETRYING, _M.TOOL_WANTED): _F.QUIET,
    (_F.AGENT, _M.CALLER_BEGAN): _F.CALLER,
    (_F.AGENT, _M.CALLER_ENDED): _F.AWAITED,
    (_F.AGENT, _M.ASKED): _F.AGENT,
    (_F.AGENT, _M.VOICE_CAME): _F.AGENT,
    (_F.AGENT, _M.ANSWER_ENDED): _F.QUIET,
    (_F.AGENT, _M.ANSWER_FAILED): _F.RETRYING,
    (_F.AGENT, _M.WAS_ANSWERED): _F.AGENT,
    (_F.AGENT, _M.TOOL_WANTED): _F.QUIET,
}
"""Total on purpose: the provider's events may come in any order, and none of them is our bug."""

WAITING: Final = frozenset({Floor.AWAITED, Floor.RETRYING})
"""The floors on which the caller waits for the agent's voice."""
