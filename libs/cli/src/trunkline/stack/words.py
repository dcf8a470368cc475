"""What happens to the stack, in words and for machines."""

import signal
from typing import assert_never

from trunkline.stack.supervision import AnnounceDrain, AnnounceMisconfigured, AnnounceRestart, BecameReady
from trunkline.stack.supervisor import Announcement


def in_words(announcement: Announcement) -> str:
    """One line for people."""
    match announcement:
        case BecameReady(name):
            return f"{name} is ready"
        case AnnounceRestart(name, 0, wait_s):
            return f"{name} ended of its own accord; starting a new one in {wait_s:.1f} s"
        case AnnounceRestart(name, code, wait_s):
            return f"{name} died ({_ending(code)}); starting it again in {wait_s:.1f} s"
        case AnnounceMisconfigured(name):
            return f"{name} refused its settings; ending"
        case AnnounceDrain(names):
            return f"ending {', '.join(names)}; what they carry is waited for (Ctrl-C again ends at once)"
        case _:
            assert_never(announcement)


def for_machines(announcement: Announcement) -> tuple[str, dict[str, object]]:
    """Event name and fields of one JSON line."""
    match announcement:
        case BecameReady(name):
            return "ready", {"process": name}
        case AnnounceRestart(name, code, wait_s):
            return "restarting", {"process": name, "code": code, "wait_s": round(wait_s, 3)}
        case AnnounceMisconfigured(name):
            return "misconfigured", {"process": name}
        case AnnounceDrain(names):
            return "draining", {"processes": list(names)}
        case _:
            assert_never(announcement)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
