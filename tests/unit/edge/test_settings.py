"""The edge's settings: what an operator may and may not write."""

import pytest

from common import settings
from common.errors import ConfigError
from common.flags import Flags
from edge.settings import PREFIX, EdgeSettings

GOOD = {
    "PUBLIC_BASE_URL": "https://voice.example.com",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "an-auth-token-of-twilio",
}

API_KEY = {"TWILIO_API_KEY_SID": "SK" + "0" * 32, "TWILIO_API_KEY_SECRET": "the-secret-of-an-api-key"}


def loaded(monkeypatch: pytest.MonkeyPatch, **environ: str) -> EdgeSettings:
    for name, value in {**GOOD, **environ}.items():
        monkeypatch.setenv(name, value)
    return settings.load(EdgeSettings, PREFIX)


def refused(monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        loaded(monkeypatch, **environ)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("base", "media", "voice"),
    [
        ("https://voice.example.com", "wss://voice.example.com/twilio/media", "https://voice.example.com/twilio/voice"),
        (
            "https://voice.example.com/",
            "wss://voice.example.com/twilio/media",
            "https://voice.example.com/twilio/voice",
        ),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/twilio/media", "http://127.0.0.1:8080/twilio/voice"),
        (
            "https://x.example:8443/a/b/",
            "wss://x.example:8443/a/b/twilio/media",
            "https://x.example:8443/a/b/twilio/voice",
        ),
        ("https://Voice.Example", "wss://Voice.Example/twilio/media", "https://Voice.Example/twilio/voice"),
        ("http://[::1]:8080", "ws://[::1]:8080/twilio/media", "http://[::1]:8080/twilio/voice"),
    ],
)
def test_every_address_of_ours_follows_from_the_public_one(
    monkeypatch: pytest.MonkeyPatch, base: str, media: str, voice: str
) -> None:
    given = loaded(monkeypatch, PUBLIC_BASE_URL=base)
    assert (given.media_url, given.url("/twilio/voice")) == (media, voice)


@pytest.mark.parametrize(
    "base",
    [
        "voice.example.com",
        "wss://voice.example.com",
        "ftp://voice.example.com",
        "https://",
        "https:///path",
        "https://voice.example.com?x=1",
        "https://voice.example.com#x",
        "https://user:secret@voice.example.com",
        "https://voice.example.com:port",
        "https://voice.example.com:",
        "https://voice.example.com:70000",
        "https://voice .example.com",
        "https://voice.example.com\n",
    ],
)
def test_an_address_twilio_could_not_dial_or_sign_stops_the_start(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    assert refused(monkeypatch, PUBLIC_BASE_URL=base).startswith("PUBLIC_BASE_URL: ")


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert refused(monkeypatch, **{name: ""}) == f"{name} is required but not set"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWILIO_ACCOUNT_SID", "AC123"),
        ("TWILIO_ACCOUNT_SID", "SK" + "0" * 32),
        ("TWILIO_AUTH_TOKEN", "short"),
        ("EDGE_PORT", "65536"),
        ("EDGE_PORT", "http"),
        ("EDGE_MAX_CALLS", "0"),
        ("EDGE_DRAIN_DEADLINE_S", "-1"),
        ("EDGE_UNAUTHENTICATED_SOCKETS", "0"),
        ("EDGE_REATTACH_WITHIN_S", "0"),
        ("TWILIO_API_BASE_URL", "api.twilio.com"),
        ("TWILIO_API_KEY_SID", "AC" + "0" * 32),
    ],
)
def test_what_is_wrong_is_named_and_secrets_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    message = refused(monkeypatch, **{name: value})
    assert message.startswith(f"{name}: ")
    assert GOOD["TWILIO_AUTH_TOKEN"] not in message


def test_a_misspelt_variable_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "did you mean EDGE_MAX_CALLS?" in refused(monkeypatch, EDGE_MAX_CALL="5")


def test_no_secret_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    given = loaded(monkeypatch, TWILIO_SHARED_KEY="the-secret-of-a-shared-key", **API_KEY)
    assert set(given.secrets) == {
        "an-auth-token-of-twilio",
        "the-secret-of-a-shared-key",
        "the-secret-of-an-api-key",
    }
    assert not any(secret in repr(given) for secret in given.secrets)


def test_the_rest_api_is_used_with_the_api_key_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch).rest_credentials == ("AC" + "0" * 32, "an-auth-token-of-twilio")
    assert loaded(monkeypatch, **API_KEY).rest_credentials == ("SK" + "0" * 32, "the-secret-of-an-api-key")


@pytest.mark.parametrize("name", API_KEY)
def test_half_an_api_key_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    message = refused(monkeypatch, **{name: API_KEY[name]})
    assert "TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET: give both or neither" in message
    assert API_KEY["TWILIO_API_KEY_SECRET"] not in message


def test_the_first_flags_are_realtime_for_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch).first_flags == Flags()


def test_the_first_flags_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = loaded(monkeypatch, REALTIME_ENABLED="false", REALTIME_ROLLOUT_PERCENTAGE="5")
    assert given.first_flags == Flags(is_realtime_enabled=False, rollout_percent=5)
    given = loaded(monkeypatch, REALTIME_ENABLED="true", REALTIME_FALLBACK_ENABLED="0")
    assert given.first_flags == Flags(rollout_percent=5, is_fallback_enabled=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REALTIME_ROLLOUT_PERCENTAGE", "101"),
        ("REALTIME_ROLLOUT_PERCENTAGE", "half"),
        ("REALTIME_ENABLED", "perhaps"),
        ("REALTIME_FALLBACK_ENABLED", "perhaps"),
        ("REALTIME_ROLLOUT_PERCENT", "5"),
    ],
)
def test_a_wrong_or_misspelt_flag_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert refused(monkeypatch, **{name: value}).startswith(name)


def test_settings_of_the_realtime_worker_do_not_concern_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, REALTIME_WORKER_CAPACITY="5").first_flags == Flags()


def test_without_any_talkers_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    text = refused(monkeypatch, REALTIME_ENABLED="false", REALTIME_FALLBACK_ENABLED="false")
    assert "REALTIME_ENABLED and REALTIME_FALLBACK_ENABLED: one of them must be true" in text
