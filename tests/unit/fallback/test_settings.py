"""The settings of the fallback service: where its pipeline comes from, and what is refused."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from common.pipeline import STAGES
from common.settings import load
from fallback.settings import PREFIX, FallbackSettings

FILE = """\
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
name = "house"
base_url = "http://house/v1"
model = "speaks"
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in FallbackSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> FallbackSettings:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return load(FallbackSettings, PREFIX)


def written(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(FILE, encoding="utf-8")
    return path


def test_without_a_key_and_without_a_file_there_is_no_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(monkeypatch)
    assert (read.pipeline(), read.secrets) == (None, ())


def test_without_a_file_the_settings_name_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(
        monkeypatch,
        OPENAI_API_KEY="sk-one",
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
        FALLBACK_TRANSCRIPTION_MODEL="writes",
        FALLBACK_CHAT_MODEL="answers",
        FALLBACK_SPEECH_MODEL="speaks",
        FALLBACK_SPEECH_VOICE="alma",
    )
    pipeline = read.pipeline()
    assert pipeline is not None
    assert [pipeline.stage(stage)[0].model for stage in STAGES] == ["writes", "answers", "speaks"]
    assert pipeline.speech[0].voice == "alma"
    assert {pipeline.stage(stage)[0].base_url for stage in STAGES} == {"http://127.0.0.1:9/v1"}
    assert read.secrets == ("sk-one",)
    assert "sk-one" not in repr(read)


def test_a_file_beside_the_agents_is_used_if_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    written(Path("agents/pipeline.toml"))
    pipeline = settings(monkeypatch).pipeline({"EU_KEY": "sk-eu"})
    assert pipeline is not None
    assert pipeline.names("chat") == ("eu",)


def test_the_file_beside_the_agents_can_be_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    written(Path("agents/pipeline.toml"))
    assert settings(monkeypatch, FALLBACK_PIPELINE="none").pipeline() is None
    pipeline = settings(monkeypatch, OPENAI_API_KEY="sk-one").pipeline()
    assert pipeline is not None
    assert pipeline.names("chat") == ("openai",)


def test_every_key_of_the_file_is_kept_out_of_logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = written(tmp_path / "mine.toml")
    read = settings(monkeypatch, FALLBACK_PIPELINE=str(file), EU_KEY="sk-eu", OPENAI_API_KEY="sk-one")
    assert set(read.secrets) == {"sk-one", "sk-eu"}


def test_a_file_that_is_named_but_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^FALLBACK_PIPELINE: gone\.toml: cannot be read"):
        settings(monkeypatch, FALLBACK_PIPELINE="gone.toml").pipeline()


def test_a_key_the_file_names_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(Path("mine.toml"))
    with pytest.raises(ConfigError, match=r"mine\.toml: \[\[chat\]\] eu: wants its key in EU_KEY, which is not set"):
        settings(monkeypatch, FALLBACK_PIPELINE=str(file)).pipeline({})


def test_a_model_that_the_file_would_hide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(Path("mine.toml"))
    with pytest.raises(ConfigError, match=r"^FALLBACK_CHAT_MODEL: mine\.toml says which models"):
        settings(monkeypatch, FALLBACK_PIPELINE=str(file), FALLBACK_CHAT_MODEL="x").pipeline({"EU_KEY": "k"})


@pytest.mark.parametrize(
    ("name", "value"), [("FALLBACK_CAPACITY", "0"), ("OPENAI_BASE_URL", "house"), ("FALLBACK_CAPACTIY", "5")]
)
def test_a_wrong_setting_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        settings(monkeypatch, **{name: value})
