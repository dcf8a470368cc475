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


PIPELINE = """
[[transcription]]
name = "house"
base_url = "http://house/v1"
model = "writes"
[[chat]]
name = "eu"
base_url = "https://eu.example.com/v1"
key_name = "EU_KEY"
model = "answers"
[[speech]]
name = "us"
base_url = "https://us.example.com/v1"
key_name = "US_KEY"
model = "speaks"
"""


def pipeline_at(directory: Path, text: str = PIPELINE) -> dict[str, str]:
    file = directory / "pipeline.toml"
    file.write_text(text)
    return {"FALLBACK_PIPELINE": str(file)}


def test_every_key_the_pipeline_misses_is_said(tmp_path: Path) -> None:
    values = pipeline_at(tmp_path)
    assert [text.removeprefix(f"{tmp_path}/pipeline.toml: ") for text in wrong(doctor.pipeline(values))] == [
        "[[chat]] eu: wants its key in EU_KEY, which is not set",
        "[[speech]] us: wants its key in US_KEY, which is not set",
    ]
    (found,) = doctor.pipeline(values | {"EU_KEY": "sk-eu", "US_KEY": "sk-us"})
    assert (found.level, found.text) == (
        Level.OK,
        f"{tmp_path}/pipeline.toml: transcription: house; chat: eu; speech: us",
    )


def test_keys_of_a_pipeline_the_simulator_stands_in_for_are_only_noted(tmp_path: Path) -> None:
    pipeline_at(tmp_path)
    values = {"EDGE_AGENT_PROFILES": str(tmp_path), "EU_KEY": "sk-eu"}
    assert [found.level for found in doctor.pipeline(values)] == [Level.NOTE]
    assert [found.level for found in doctor.pipeline(values | {"OPENAI_API_KEY": "sk-x"})] == [Level.WRONG]


def test_a_pipeline_that_makes_no_sense_is_wrong(tmp_path: Path) -> None:
    (found,) = wrong(doctor.pipeline(pipeline_at(tmp_path, PIPELINE.replace("[[chat]]", "[[chats]]"))))
    assert "chats is no stage" in found
    keys = {"EU_KEY": "sk-eu", "US_KEY": "sk-us", "FALLBACK_CHAT_MODEL": "x"}
    (found,) = wrong(doctor.pipeline(pipeline_at(tmp_path) | keys))
    assert "FALLBACK_CHAT_MODEL" in found
    (found,) = wrong(doctor.pipeline({"FALLBACK_PIPELINE": str(tmp_path / "gone.toml")}))
    assert "gone.toml: cannot be read" in found


def test_without_a_pipeline_file_it_is_said_where_the_stages_are(tmp_path: Path) -> None:
    agents = {"EDGE_AGENT_PROFILES": str(tmp_path)}
    values: tuple[dict[str, str], ...] = (
        {},
        {"OPENAI_API_KEY": "sk-x"},
        {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://house/v1"},
    )
    texts = [doctor.pipeline(agents | value)[0].text for value in values]
    assert [text.removeprefix("no file: every stage is at ") for text in texts] == [
        "the simulator",
        "OpenAI",
        "http://house/v1",
    ]


def test_the_workers_other_endpoints_are_looked_into() -> None:
    values = {
        "REALTIME_WORKER_OTHER_ENDPOINTS": '[{"name": "eu", "base_url": "https://eu/v1", "key_name": "EU_KEY"}]',
    }
    assert doctor.other_endpoints({}) == []
    (found,) = wrong(doctor.other_endpoints(values))
    assert found == "REALTIME_WORKER_OTHER_ENDPOINTS: eu wants the key in EU_KEY, which is not set"
    (found,) = wrong(doctor.other_endpoints({"REALTIME_WORKER_OTHER_ENDPOINTS": "eu"}))
    assert "not a JSON list" in found
    (ok,) = doctor.other_endpoints(values | {"EU_KEY": "sk-eu"})
    assert (ok.level, ok.text) == (Level.OK, "when the model fails, workers go to: eu")


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
