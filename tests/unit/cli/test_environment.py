"""What the stack runs with: the environment over `.env`, and what is made up."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from trunkline.stack import environment, ports

LOCAL = {"EDGE_PORT": "0"}
TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "a" * 32,
    "PUBLIC_BASE_URL": "https://voice.example.com/",
}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("OPENAI_API_KEY=from-file\nEDGE_PORT=9000\nNATS_URL=\nTWILIO_AUTH_TOKEN=a$b${c}\n")
    values = environment.read({"EDGE_PORT": "9001"}, file, is_required=True)
    assert values == {"OPENAI_API_KEY": "from-file", "EDGE_PORT": "9001", "TWILIO_AUTH_TOKEN": "a$b${c}"}


def test_a_setting_set_to_nothing_is_not_set_even_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("OPENAI_API_KEY=from-file\n")
    assert environment.read({"OPENAI_API_KEY": ""}, file, is_required=True) == {}


def test_a_missing_default_file_is_no_mistake_but_a_named_one_is(tmp_path: Path) -> None:
    missing = tmp_path / ".env"
    assert environment.read({"A": "1"}, missing, is_required=False) == {"A": "1"}
    with pytest.raises(ConfigError, match=r"there is no .*\.env"):
        environment.read({}, missing, is_required=True)


def test_without_twilio_settings_local_ones_are_made_up_and_named() -> None:
    resolved = environment.resolve(LOCAL)
    assert resolved.made_up == ("PUBLIC_BASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    assert resolved.voice_url == f"http://127.0.0.1:{resolved.edge_port}/twilio/voice"
    assert resolved.account_sid.startswith("AC")
    assert len(resolved.account_sid) == 34
    assert resolved.auth_token != environment.resolve(LOCAL).auth_token


def test_given_twilio_settings_are_kept() -> None:
    resolved = environment.resolve(LOCAL | TWILIO)
    assert resolved.made_up == ()
    assert resolved.voice_url == "https://voice.example.com/twilio/voice"
    assert resolved.auth_token == TWILIO["TWILIO_AUTH_TOKEN"]


def test_without_a_key_the_model_is_simulated() -> None:
    assert environment.resolve(LOCAL).uses_simulated_model
    assert not environment.resolve(LOCAL | {"OPENAI_API_KEY": "sk-1"}).uses_simulated_model


def test_a_base_url_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not"):
        environment.resolve(LOCAL | {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})


def test_without_nats_url_the_stack_brings_its_own() -> None:
    assert environment.resolve(LOCAL).needs_nats
    assert not environment.resolve(LOCAL | {"NATS_URL": "nats://bus:4222"}).needs_nats


@pytest.mark.parametrize("text", ["x", "-1", "65536", "80 80", "٣"])
def test_a_port_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match="EDGE_PORT"):
        environment.port_of({"EDGE_PORT": text}, "EDGE_PORT", 1)


def test_a_public_port_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "is_free", lambda port: False)
    with pytest.raises(ConfigError, match="EDGE_PORT 8080 is in use"):
        environment.resolve({})


def test_ops_ports_are_ten_apart_and_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port != 9121)
    chosen = ports.ops_ports(9101, 3)
    assert chosen[:2] == (9101, 9111)
    assert chosen[2] not in (9101, 9111, 9121)
    assert 9101 not in ports.ops_ports(9101, 1, taken=[9101])


def test_base_port_zero_means_any_free_ports() -> None:
    chosen = ports.ops_ports(0, 3)
    assert len(set(chosen)) == 3
    assert 0 not in chosen
