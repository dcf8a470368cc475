"""Where a call belongs and where it is when its stream comes: what its steering begins with."""

from common.subjects import Pool
from edge.call import Before, Caller, Surroundings
from edge.core.steering import Steering, pool_at


def steering_for(caller: Caller, around: Surroundings, before: Before | None) -> Steering:
    """A new call is at home. One that goes on keeps the home it had, whatever the flags say by now."""
    known = before.home if before is not None else None
    home = known or around.home_of(caller.call_id, caller.profile.name)
    return Steering(home, around.has_fallback, _pool(around, before, home) if before is not None else home)


def _pool(around: Surroundings, before: Before, home: Pool) -> Pool:
    """Where the call was: as its talker's heartbeats have it, else as its level does."""
    known = around.pool_of(before.talker.talker_id) if before.talker is not None else None
    return known or pool_at(before.memory.service_level, home)
