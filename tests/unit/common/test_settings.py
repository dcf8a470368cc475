"""Settings: read once, frozen, and refused with the variable's name when missing, misspelt or wrong."""

import pytest
from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from common.errors import ConfigError
from common.settings import ApiBaseUrl, Port, Prefixes, ServiceSettings, load, refuse_unknown


class DeskSettings(ServiceSettings):
    """A service with one setting of each kind."""

    provider_key: SecretStr = Field(min_length=8)
    desk_port: Port = 8080
    desk_name: str = "front"
    desk_numbers: list[int] = []  # noqa: RUF012 - pydantic copies it


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_URL", "LOG_LEVEL", "LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROVIDER_KEY", "a-long-enough-key")


def test_what_is_not_set_has_its_default() -> None:
    settings = load(DeskSettings, "DESK_")
    assert (settings.desk_port, settings.desk_name, settings.log_level) == (8080, "front", "info")
    assert settings.nats_servers == ["nats://127.0.0.1:4222"]


def test_variables_are_read_by_their_names_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_PORT", "9000")
    monkeypatch.setenv("DESK_NUMBERS", "[1, 2]")
    monkeypatch.setenv("NATS_URL", " nats://a:4222 ,nats://b:4222,")
    settings = load(DeskSettings, "DESK_")
    assert settings.desk_port == 9000
    assert settings.desk_numbers == [1, 2]
    assert settings.nats_servers == ["nats://a:4222", "nats://b:4222"]


def test_settings_cannot_be_changed_once_read() -> None:
    settings = load(DeskSettings, "DESK_")
    with pytest.raises(ValidationError):
        settings.desk_port = 1  # type: ignore[misc]


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("PROVIDER_KEY")
    else:
        monkeypatch.setenv("PROVIDER_KEY", value)
    with pytest.raises(ConfigError, match=r"^PROVIDER_KEY is required but not set$"):
        load(DeskSettings, "DESK_")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DESK_PORT", "eighty"),
        ("DESK_PORT", "-1"),
        ("DESK_PORT", "65536"),
        ("DESK_NUMBERS", "not json"),
        ("LOG_LEVEL", "INFO"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"^{variable}: ") as refused:
        load(DeskSettings, "DESK_")
    assert "\n" not in str(refused.value)


def test_a_refusal_never_quotes_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_KEY", "hush")
    with pytest.raises(ConfigError, match=r"^PROVIDER_KEY: ") as refused:
        load(DeskSettings, "DESK_")
    assert "hush" not in str(refused.value)


def test_several_faults_are_said_at_once_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVIDER_KEY")
    monkeypatch.setenv("DESK_PORT", "eighty")
    with pytest.raises(ConfigError, match="PROVIDER_KEY is required but not set; DESK_PORT: "):
        load(DeskSettings, "DESK_")


def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_PROT", "9000")
    with pytest.raises(ConfigError, match=r"^DESK_PROT is not a setting of this service; did you mean DESK_PORT\?$"):
        load(DeskSettings, "DESK_")


def test_a_variable_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"^DESK_ZZZZZZ is not a setting of this service$"):
        refuse_unknown("DESK_", ["DESK_PORT"], {"DESK_ZZZZZZ": "1"})


def test_variables_of_others_are_nobodys_business_here() -> None:
    refuse_unknown("DESK_", ["DESK_PORT"], {"DESK_PORT": "1", "EDGE_PORT": "2", "PATH": "/bin"})


def test_a_prefix_may_hold_another_services_longer_one() -> None:
    prefixes = Prefixes(("DESK_", "FRONT_"), others=("FRONT_DOOR_",))
    refuse_unknown(prefixes, ["FRONT_PORT"], {"FRONT_PORT": "1", "FRONT_DOOR_PROT": "1", "BACK_PORT": "1"})
    for wrong in ("DESK_PROT", "FRONT_PROT"):
        with pytest.raises(ConfigError, match=f"^{wrong} is not a setting of this service"):
            refuse_unknown(prefixes, ["FRONT_PORT"], {wrong: "1"})


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "http://", "http:///v1", "x", "http://[::1/v1", "http://x:port/v1", "http://x:0", "http://u:hush@x/v1"],
)
def test_an_api_is_at_a_whole_http_address_without_a_password(url: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(ApiBaseUrl)
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(url)
    assert "hush" not in refused.value.errors()[0]["msg"]
    assert adapter.validate_python("http://[::1]:8000/v1") == "http://[::1]:8000/v1"
