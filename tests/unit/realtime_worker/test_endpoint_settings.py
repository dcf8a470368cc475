"""The list of further endpoints: read with its keys, or refused with what is wrong and without what was given."""

import json
from typing import Any

import pytest

from common.errors import ConfigError
from realtime_worker.settings import RealtimeWorkerSettings

EU = {"name": "eu", "base_url": "https://eu.example.com/v1", "key_name": "OPENAI_API_KEY_EU"}
KEYS = {"OPENAI_API_KEY_EU": "sk-eu-secret"}


def settings(*others: Any, text: str | None = None) -> RealtimeWorkerSettings:
    given = json.dumps(others) if text is None else text
    return RealtimeWorkerSettings(openai_api_key="sk-first", realtime_worker_other_endpoints=given)


def test_without_others_there_is_the_first() -> None:
    (first,) = settings(text=" ").endpoints(KEYS)
    assert (first.name, first.base_url, first.model) == ("openai", "https://api.openai.com/v1", "")
    assert first.api_key.get_secret_value() == "sk-first"


def test_others_follow_in_their_order_with_the_keys_their_variables_hold() -> None:
    mini = {**EU, "name": "mini", "model": "gpt-realtime-2.1-mini"}
    first, eu, last = settings(EU, mini).endpoints(KEYS)
    assert [each.name for each in (first, eu, last)] == ["openai", "eu", "mini"]
    assert (eu.base_url, eu.model, last.model) == (EU["base_url"], "", "gpt-realtime-2.1-mini")
    assert eu.api_key.get_secret_value() == "sk-eu-secret"
    assert "sk-eu" not in repr(eu)


def test_every_key_is_kept_out_of_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY_EU", "sk-eu-secret")
    assert settings(EU).secrets == ("sk-first", "sk-eu-secret")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([{**EU, "key_name": "OPENAI_API_KEY_US"}], "eu wants the key in OPENAI_API_KEY_US, which is not set"),
        ([EU, EU], "a name is there twice: openai, eu, eu"),
        ([{**EU, "name": "openai"}], "a name is there twice: openai, openai"),
        ([{**EU, "name": "E U"}], "0.name: "),
        ([{**EU, "base_url": "ftp://eu"}], "0.base_url: "),
        ([{**EU, "api_key": "sk-oops"}], "0.api_key: Extra inputs are not permitted"),
        ([{"name": "eu"}], "0.base_url: Field required"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(others: list[Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(*others).endpoints(KEYS)
    text = str(refused.value)
    assert text.startswith("REALTIME_WORKER_OTHER_ENDPOINTS: ")
    assert message in text
    assert "sk-oops" not in text


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(ConfigError, match="REALTIME_WORKER_OTHER_ENDPOINTS: not a JSON list"):
        settings(text="eu").endpoints(KEYS)
