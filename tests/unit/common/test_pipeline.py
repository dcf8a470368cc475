"""The pipeline's endpoints: read from a file, put in a profile's order, and refused by table and key."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from common.pipeline import STAGES, Pipeline, Stage, load_pipeline, of_openai, parse_pipeline
from common.profile import Fallback

EXAMPLE = Path(__file__).parents[3] / "agents" / "pipeline.example.toml"
GOOD = """\
[[transcription]]
name = "openai"
base_url = "https://api.openai.com/v1"
key_name = "OPENAI_API_KEY"
model = "gpt-transcribe"
timeout_s = 2

[[transcription]]
name = "house"
base_url = "http://whisper.house:8000/v1"
model = "large"

[[chat]]
name = "openai"
base_url = "https://api.openai.com/v1"
key_name = "OPENAI_API_KEY"
model = "gpt-5.4-mini"
max_output_tokens = 200

[[speech]]
name = "eu"
base_url = "https://eu.example.com/v1"
key_name = "EU_KEY"
model = "speaks"
voice = "alma"
sample_rate = 16000

[[speech]]
name = "house"
base_url = "http://tts.house/v1"
model = "speaks"
response_format = "wav"
"""

KEYS = {"OPENAI_API_KEY": "sk-one", "EU_KEY": "sk-two", "PATH": "/bin"}


def read(text: str = GOOD) -> Pipeline:
    return parse_pipeline(text, "pipeline.toml")


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        read(text)
    return str(refusal.value)


def test_a_file_gives_each_stages_endpoints_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(GOOD, encoding="utf-8")
    pipeline = load_pipeline(file)
    assert [pipeline.names(stage) for stage in STAGES] == [("openai", "house"), ("openai",), ("eu", "house")]
    assert [each.timeout_s for each in pipeline.transcription] == [2.0, 3.0]
    assert pipeline.chat[0].max_output_tokens == 200
    eu, house = pipeline.speech
    assert (eu.voice, eu.response_format, eu.sample_rate) == ("alma", "pcm", 16_000)
    assert (house.voice, house.response_format, house.key_name) == ("marin", "wav", None)


def test_keys_are_looked_up_where_they_are_needed_and_never_shown() -> None:
    pipeline = read()
    assert pipeline.secrets == ()
    held = pipeline.with_keys(KEYS)
    assert held.secrets == ("sk-one", "sk-two")
    assert held.speech[1].api_key is None
    assert "sk-" not in repr(held)
    assert "sk-" not in held.speech[0].model_dump_json()


def test_a_key_that_is_not_set_is_named_with_its_endpoint() -> None:
    pipeline = read()
    missing = pipeline.missing_keys({"OPENAI_API_KEY": "sk-one", "EU_KEY": ""})
    assert missing == ("[[speech]] eu: wants its key in EU_KEY, which is not set",)
    with pytest.raises(ConfigError, match=r"^pipeline.toml: \[\[transcription\]\] openai: .* OPENAI_API_KEY, which"):
        pipeline.with_keys({})


def test_the_example_we_ship_says_what_counts_without_it() -> None:
    example = load_pipeline(EXAMPLE)
    first = of_openai("https://api.openai.com/v1")
    assert [example.stage(stage)[0] for stage in STAGES] == [first.stage(stage)[0] for stage in STAGES]


def test_a_profile_chooses_endpoints_and_their_order() -> None:
    chosen = read().for_profile(Fallback(transcription=("house", "openai"), speech=("house", "house"), voice="tom"))
    assert [chosen.names(stage) for stage in STAGES] == [("house", "openai"), ("openai",), ("house",)]
    assert chosen.speech[0].voice == "tom"


def test_a_profile_that_names_none_has_all_of_them() -> None:
    assert read().for_profile(Fallback()) == read()


def test_a_profile_that_names_only_strangers_is_served_all_the_same() -> None:
    chosen = read().for_profile(Fallback(chat=("gone",), speech=("gone", "house")))
    assert (chosen.names("chat"), chosen.names("speech")) == (("openai",), ("house",))


def test_without_a_file_each_stage_is_at_openai() -> None:
    pipeline = of_openai("http://127.0.0.1:9/v1", chat_model="small")
    assert {pipeline.names(stage) for stage in STAGES} == {("openai",)}
    assert {each.base_url for stage in STAGES for each in pipeline.stage(stage)} == {"http://127.0.0.1:9/v1"}
    assert [pipeline.stage(stage)[0].model for stage in STAGES] == ["gpt-transcribe", "small", "gpt-4o-mini-tts"]
    assert pipeline.with_keys(KEYS).secrets == ("sk-one",)


def without(stage: Stage) -> str:
    tables = GOOD.split("\n\n")
    return "\n\n".join(table for table in tables if not table.startswith(f"[[{stage}]]"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_without_an_endpoint_is_refused(stage: Stage) -> None:
    assert refused(without(stage)).startswith(f"pipeline.toml: a [[{stage}]] table is needed")
    assert refused(f"{stage} = []\n{without(stage)}").startswith(f"pipeline.toml: a [[{stage}]] table is needed")
    assert refused(f"{stage} = [3]\n{without(stage)}").startswith(f"pipeline.toml: [[{stage}]] 1: expected a table")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "house"', 'name = "House!"', "[[transcription]] 2: name: String should match pattern"),
        ('name = "house"', 'name = "openai"', "[[transcription]] 2: name: another transcription endpoint is called"),
        ('name = "house"\n', "", "[[transcription]] 2: name: Field required"),
        (
            "http://whisper.house:8000/v1",
            "whisper.house",
            "[[transcription]] 2: base_url: Value error, must be an http",
        ),
        ("http://whisper.house:8000/v1", "http://[::1/v1", "[[transcription]] 2: base_url: Value error, must be an"),
        ("http://whisper.house:8000/v1", "http://u:hush@house/v1", "2: base_url: Value error, must not hold a user"),
        ("timeout_s = 2", "timeout_s = 0", "[[transcription]] 1: timeout_s: Input should be greater than 0"),
        ("timeout_s = 2", "timeout_s = inf", "[[transcription]] 1: timeout_s: "),
        ("timeout_s = 2", 'timeout_s = "2"', "[[transcription]] 1: timeout_s: Input should be a valid number"),
        (
            "timeout_s = 2",
            "voice = 'x'",
            "[[transcription]] 1: voice is no key of this table; there are: name, base_url",
        ),
        ("max_output_tokens = 200", "max_output_tokens = 0", "[[chat]] 1: max_output_tokens: Input should be greater"),
        ('key_name = "EU_KEY"', 'key_name = "sk-hush"', "[[speech]] 1: key_name: String should match pattern"),
        (
            'key_name = "EU_KEY"',
            'api_key = "sk-hush"',
            "[[speech]] 1: api_key: give key_name, the environment variable",
        ),
        ("sample_rate = 16000", "sample_rate = 4000", "[[speech]] 1: sample_rate: Input should be greater than"),
        (
            'response_format = "wav"',
            'response_format = "mp3"',
            "[[speech]] 2: response_format: Input should be 'pcm' or",
        ),
        ('"wav"', '"wav"\nsample_rate = 8000', "[[speech]] 2: Value error, sample_rate is for response_format"),
        ("[[chat]]", "[[thinking]]", "thinking is no stage; there are: [[transcription]], [[chat]], [[speech]]"),
        ("[[chat]]", "[chat]", "a [[chat]] table is needed"),
        ('voice = "alma"', "voice = alma", "not TOML: "),
        ("max_output_tokens = 200", "x = " + "[" * 5_000, "not TOML: "),
        ("max_output_tokens = 200", "x = " + "9" * 5_000, "not TOML: "),
    ],
)
def test_a_mistake_is_told_with_its_file_table_and_key(old: str, new: str, told: str) -> None:
    text = refused(GOOD.replace(old, new, 1))
    assert text.startswith("pipeline.toml: ")
    assert told in text
    assert "hush" not in text


def test_a_mistake_in_the_syntax_is_told_with_its_line() -> None:
    assert "line 4" in refused(GOOD.replace('key_name = "OPENAI_API_KEY"', "key_name =", 1))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: FileNotFoundError"):
        load_pipeline(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match=r"latin\.toml: cannot be read: UnicodeDecodeError"):
        load_pipeline(tmp_path / "latin.toml")
