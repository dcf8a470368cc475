"""The settings of a worker, as an operator meets them."""

import pytest

from common.errors import ConfigError
from common.settings import load
from realtime_worker.backends.realtime.codec import RealtimeCodec, socket_url
from realtime_worker.settings import PREFIX, RealtimeWorkerSettings


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RealtimeWorkerSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def refused() -> str:
    with pytest.raises(ConfigError) as caught:
        load(RealtimeWorkerSettings, PREFIX)
    return str(caught.value)


def test_without_a_key_the_start_names_it() -> None:
    assert refused() == "OPENAI_API_KEY is required but not set"


def test_a_misspelt_setting_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123")
    monkeypatch.setenv("REALTIME_WORKER_CAPACTIY", "5")
    assert "did you mean REALTIME_WORKER_CAPACITY?" in refused()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REALTIME_WORKER_CAPACITY", "0"),
        ("REALTIME_WORKER_OPEN_TIMEOUT_S", "soon"),
        ("OPENAI_BASE_URL", "ws://api.openai.com"),
        ("OPENAI_BASE_URL", "api.openai.com/v1"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123")
    monkeypatch.setenv(name, value)
    assert refused().startswith(f"{name}: ")


def test_the_key_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123")
    settings = load(RealtimeWorkerSettings, PREFIX)
    assert "sk-test-123" not in repr(settings)
    assert settings.secrets == ("sk-test-123",)
    assert settings.realtime_worker_model == "gpt-realtime-2.1"


@pytest.mark.parametrize(
    ("base", "socket"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime"),
        ("http://127.0.0.1:8080/v1/", "ws://127.0.0.1:8080/v1/realtime"),
    ],
)
def test_the_socket_url_is_derived_as_the_sdk_does(base: str, socket: str) -> None:
    assert socket_url(base) == socket


def test_the_upgrade_carries_the_key_and_no_beta_header() -> None:
    codec = RealtimeCodec("https://api.openai.com/v1", "sk-test-123")
    assert codec.headers()["Authorization"] == "Bearer sk-test-123"
    assert "OpenAI-Beta" not in codec.headers()
    assert codec.url("gpt-realtime-2.1") == "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
