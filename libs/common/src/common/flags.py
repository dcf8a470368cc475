"""The rollout flags: which there are, what each may be, and which pool of talkers a call belongs to by them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, TypeAlias

from common.errors import ConfigError
from common.profile import PROFILE_NAME
from common.subjects import Pool

REALTIME_ENABLED: Final = "realtime.enabled"
ROLLOUT: Final = "realtime.rollout"
FALLBACK_ENABLED: Final = "fallback.enabled"
FLAGS: Final = (REALTIME_ENABLED, ROLLOUT, FALLBACK_ENABLED)

FlagValue: TypeAlias = bool | int
"""True or false, or a percentage."""

_PROFILES_ROLLOUT: Final = re.compile(rf"{re.escape(ROLLOUT)}\.({PROFILE_NAME.strip('^$')})")
_TRUTHS: Final = {"true": True, "false": False}
_SALT: Final = b"rollout\0"
"""So that a call's place here says nothing of its place in a breaker's ramp, which is told by the same id."""
_PLACES: Final = 2**64


def rollout_of(profile: str) -> str:
    """The flag that says, for one agent profile, what `realtime.rollout` says for all."""
    return f"{ROLLOUT}.{profile}"


@dataclass(frozen=True, slots=True)
class Flags:
    """How all flags stand."""

    is_realtime_enabled: bool = True
    rollout_percent: int = 100
    rollout_percents: Mapping[str, int] = field(default_factory=dict)
    """By agent profile: these win."""
    is_fallback_enabled: bool = True

    def home_of(self, call_id: str, profile: str) -> Pool:
        """The pool this call starts in and belongs to; a higher percentage only ever adds calls to `realtime`."""
        if not self.is_fallback_enabled:
            return "realtime"
        if not self.is_realtime_enabled:
            return "fallback"
        percent = self.rollout_percents.get(profile, self.rollout_percent)
        return "realtime" if _place(call_id) * 100 < percent * _PLACES else "fallback"

    def changed_by(self, values: Mapping[str, FlagValue]) -> "Flags":
        """These with `values`, by name, in place of their own. The names and values are ones `parse` has taken."""
        percents = {name.removeprefix(f"{ROLLOUT}."): int(value) for name, value in values.items() if _is_own(name)}
        return Flags(
            bool(values.get(REALTIME_ENABLED, self.is_realtime_enabled)),
            int(values.get(ROLLOUT, self.rollout_percent)),
            {**self.rollout_percents, **percents},
            bool(values.get(FALLBACK_ENABLED, self.is_fallback_enabled)),
        )


def parse(name: str, text: str) -> FlagValue:
    """The value `text` gives the flag `name`. Raises `ConfigError` saying what is allowed, never what was given."""
    check_name(name)
    if name in (REALTIME_ENABLED, FALLBACK_ENABLED):
        value = _TRUTHS.get(text.strip().lower())
        if value is None:
            raise ConfigError(f"{name}: give true or false")
        return value
    digits = text.strip()
    if not re.fullmatch(r"\d{1,3}", digits, re.ASCII) or int(digits) > 100:
        raise ConfigError(f"{name}: give a whole number from 0 to 100, the percentage of calls that start in realtime")
    return int(digits)


def check_name(name: str) -> None:
    """Raise `ConfigError` if there is no such flag, saying which there are."""
    if name in FLAGS or _is_own(name):
        return
    close = get_close_matches(name, FLAGS, n=1)
    hint = f"did you mean {close[0]}? There" if close else "there"
    raise ConfigError(
        f"no such flag; {hint} are {REALTIME_ENABLED} and {FALLBACK_ENABLED} (true or false), {ROLLOUT} and "
        f"{ROLLOUT}.PROFILE (0 to 100)"
    )


def check_together(values: Mapping[str, FlagValue]) -> None:
    """Raise `ConfigError` if `values`, by name, leave no talkers to give a call to."""
    if values.get(REALTIME_ENABLED) is False and values.get(FALLBACK_ENABLED) is False:
        raise ConfigError(f"{REALTIME_ENABLED} and {FALLBACK_ENABLED}: one of them must be true")


def written(value: FlagValue) -> str:
    """A value as it is kept and shown."""
    return str(value).lower()


def _is_own(name: str) -> bool:
    return _PROFILES_ROLLOUT.fullmatch(name) is not None


def _place(call_id: str) -> int:
    """A call's place among all calls, 0 to 2**64 - 1: the same wherever and whenever it is asked for."""
    return int.from_bytes(hashlib.sha256(_SALT + call_id.encode()).digest()[:8])
