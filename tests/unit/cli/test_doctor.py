"""The doctor's checks: what each finds wrong, and that it says what to do."""

from pathlib import Path

import pytest

from trunkline.stack import doctor
from trunkline.stack.finding import Finding, Level

ROOT = Path(__file__).parents[3]


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.text for finding in findings if finding.level is Level.WRONG]


def test_settings_nobody_gave_are_no_mistake() -> None:
    assert wrong(doctor.service_settings({"OPENAI_API_KEY": ""})) == []


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("EDGE_PRT", "1", "did you mean EDGE_PORT?"),
        ("EDGE_MAX_CALLS", "0", "EDGE_MAX_CALLS: "),
        ("TWILIO_ACCOUNT_SID", "12", "TWILIO_ACCOUNT_SID: "),
        ("REALTIME_WORKER_CAPACITY", "many", "REALTIME_WORKER_CAPACITY: "),
        ("OPENAI_BASE_URL", "ftp://x", "OPENAI_BASE_URL: "),
    ],
)
def test_a_wrong_or_misspelt_setting_is_named(name: str, value: str, text: str) -> None:
    (found,) = wrong(doctor.service_settings({name: value}))
    assert text in found


def test_secrets_never_appear_in_a_finding() -> None:
    (found,) = wrong(doctor.service_settings({"TWILIO_AUTH_TOKEN": "hush"}))
    assert "hush" not in found


def test_the_repositorys_agents_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert doctor.agent_profiles({}) == Finding(Level.OK, "agents", "support-en, support-ja")


def test_a_directory_without_agents_is_wrong(tmp_path: Path) -> None:
    assert doctor.agent_profiles({"EDGE_AGENT_PROFILES": str(tmp_path)}).level is Level.WRONG


@pytest.mark.parametrize("url", ["http://voice.example.com", "https://localhost", "https://127.0.0.1:8443", "https://"])
def test_an_address_twilio_cannot_reach_is_noted(url: str) -> None:
    finding = doctor.public_base_url(url)
    assert finding.level is Level.NOTE
    assert "tunnel" in finding.do


def test_a_public_https_address_gives_the_webhook_to_set() -> None:
    finding = doctor.public_base_url("https://voice.example.com/")
    assert finding == Finding(
        Level.OK, "public address", "voice webhook: https://voice.example.com/twilio/voice (POST)"
    )


@pytest.mark.parametrize("url", ["nats://127.0.0.1:1", "127.0.0.1:1,nats://127.0.0.1:notaport"])
async def test_a_nats_that_does_not_answer_is_wrong(url: str) -> None:
    assert (await doctor.nats({"NATS_URL": url})).level is Level.WRONG


def test_a_secrets_file_others_can_read_is_noted(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert doctor.secrets_file(path) == []
    path.write_text("OPENAI_API_KEY=x")
    path.chmod(0o644)
    assert doctor.secrets_file(path)[0].do == f"chmod 600 {path}"
    path.chmod(0o600)
    assert doctor.secrets_file(path) == []
