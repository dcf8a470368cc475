"""`.env.example` and the services' settings say the same: every setting, its default, no other."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from common.settings import ServiceSettings
from edge.settings import EdgeSettings
from fallback.settings import FallbackSettings
from orchestrator.settings import OrchestratorSettings
from realtime_worker.settings import RealtimeWorkerSettings

EXAMPLE = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
SERVICES: tuple[type[ServiceSettings], ...] = (
    EdgeSettings,
    RealtimeWorkerSettings,
    FallbackSettings,
    OrchestratorSettings,
)
FIELDS: dict[str, list[FieldInfo]] = {}
for service in SERVICES:
    for name, field in service.model_fields.items():
        FIELDS.setdefault(name.upper(), []).append(field)
ENTRIES = {
    name: (is_default == "#", value, comment)
    for comment, is_default, name, value in re.findall(r"^# (.*)\n(#?)([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
}


def test_every_setting_of_every_service_is_there_and_nothing_else() -> None:
    assert set(ENTRIES) == set(FIELDS)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_setting_shows_its_default_and_says_what_it_is(name: str) -> None:
    is_default, value, comment = ENTRIES[name]
    assert all(comment.startswith(field.description or "?") for field in FIELDS[name])
    if any(field.is_required() for field in FIELDS[name]):
        assert (is_default, value) == (False, "")
    else:
        assert is_default
        assert {written(field) for field in FIELDS[name]} == {value}


def written(field: FieldInfo) -> str:
    """A default as one would write it into the file."""
    default: Any = field.default
    if default is None:
        return ""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return f"{default:g}" if isinstance(default, float) else str(default)
