"""Prompts: what we ship is whole, what others record is found, and every mistake names its file."""

import os
import struct
from pathlib import Path

import pytest

from common import pcmu
from common.errors import ConfigError
from common.profile import Menu
from common.prompt_names import Prompt, needed
from common.prompts import LONGEST_S, load_prompts, missing_prompts

SHIPPED = Path(__file__).parents[3] / "agents" / "prompts"
EVERYTHING = Menu(transfer="front-desk")
SOUND = b"\x55" * 800


def record(directory: Path, folder: str, *names: str, audio: bytes = SOUND, suffix: str = ".pcmu") -> Path:
    (directory / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / folder / f"{name}{suffix}").write_bytes(audio)
    return directory / folder


def refused(directory: Path) -> str:
    with pytest.raises(ConfigError) as refusal:
        load_prompts(directory)
    return str(refusal.value)


# --- what we ship -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_prompt_is_there_in_words_and_in_sound(language: str) -> None:
    prompts = load_prompts(SHIPPED).of(None, language, EVERYTHING)
    assert missing_prompts(SHIPPED, None, language, EVERYTHING) == ()
    for name in Prompt:
        assert prompts[name].text or name is Prompt.TONE


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("name", Prompt)
def test_a_prompt_is_short_loud_enough_and_not_clipped(language: str, name: Prompt) -> None:
    audio = load_prompts(SHIPPED).of(None, language, EVERYTHING)[name].pcmu
    samples = [_linear(code) for code in audio]
    level = (sum(sample**2 for sample in samples) / len(samples)) ** 0.5 / 32_768
    assert 0.07 <= level <= 0.13, "about -20 dBFS, pauses counted"
    assert max(map(abs, samples)) < 32_000
    assert 250 <= pcmu.duration_ms(audio) <= 8_000


def _linear(code: int) -> int:
    magnitude = ((2 * (~code & 0x0F) + 33) << (~code >> 4 & 0x07)) - 33 << 2
    return magnitude if code >= 0x80 else -magnitude


def test_the_whole_menu_can_be_said_in_any_part() -> None:
    prompts = load_prompts(SHIPPED).of(None, "en", EVERYTHING)
    names = (Prompt.MENU_HOLD, Prompt.TONE, Prompt.MENU_TRANSFER)
    assert prompts.text(names) == "To stay on the line, press 1. To speak to a colleague, press 4."
    assert prompts.pcmu(names) == b"".join(prompts[name].pcmu for name in names)


# --- recordings of one's own ------------------------------------------------------------------------------------------


def test_a_desks_own_recordings_go_before_those_of_its_language(tmp_path: Path) -> None:
    record(tmp_path, "en", *Prompt)
    (tmp_path / "en" / "prompts.toml").write_text('goodbye = "Goodbye."\nholding = "Hold."\n', "utf-8")
    own = record(tmp_path, "my-desk", "goodbye", "trouble", audio=b"\x22" * 80)
    (own / "prompts.toml").write_text('trouble = "Oh dear."\n', "utf-8")
    prompts = load_prompts(tmp_path).of("my-desk", "en", EVERYTHING)
    assert (prompts[Prompt.GOODBYE].pcmu, prompts[Prompt.GOODBYE].text) == (b"\x22" * 80, "Goodbye.")
    assert (prompts[Prompt.TROUBLE].text, prompts[Prompt.HOLDING].text) == ("Oh dear.", "Hold.")
    assert prompts[Prompt.HOLDING].pcmu == SOUND


def test_wav_files_serve_as_well(tmp_path: Path) -> None:
    head = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    record(tmp_path, "en", *(set(Prompt) - {Prompt.GOODBYE}))
    record(tmp_path, "en", "goodbye", audio=head + b"data\x08\0\0\0" + b"\0\0" * 4, suffix=".wav")
    (tmp_path / "en" / "README.md").write_text("ours")
    (tmp_path / "en" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "make.py").write_text("")
    assert load_prompts(tmp_path).of(None, "en", EVERYTHING)[Prompt.GOODBYE].pcmu == b"\xff" * 4


def test_a_language_without_recordings_is_refused_with_what_to_record(tmp_path: Path) -> None:
    record(tmp_path, "en", *Prompt)
    with pytest.raises(ConfigError, match=r"nothing is recorded in 'fr' for: .*goodbye.*\(as .pcmu or .wav in .*/fr\)"):
        load_prompts(tmp_path).of(None, "fr", EVERYTHING)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    record(tmp_path, "en", *Prompt)
    with pytest.raises(ConfigError, match=r"there is no folder of prompts .*/my-desk"):
        load_prompts(tmp_path).of("my-desk", "en", EVERYTHING)


@pytest.mark.parametrize(
    ("menu", "unneeded"),
    [
        (EVERYTHING, ()),
        (Menu(), ("menu_transfer", "transferring", "transfer_failed")),
        (Menu(callback=False, transfer="desk"), ("menu_callback", "callback_noted")),
        (Menu(message=False, transfer="desk"), ("menu_message", "record", "tone", "recorded", "not_recorded")),
        (Menu(hold=False, transfer="desk"), ("menu_hold",)),
    ],
)
def test_only_what_the_menu_can_say_has_to_be_recorded(tmp_path: Path, menu: Menu, unneeded: tuple[str, ...]) -> None:
    assert set(Prompt) - needed(menu) == {Prompt(name) for name in unneeded}
    record(tmp_path, "fr", *needed(menu))
    assert missing_prompts(tmp_path, None, "fr", menu) == ()
    assert Prompt.HOLDING in load_prompts(tmp_path).of(None, "fr", menu)
    (tmp_path / "fr" / "holding.pcmu").unlink()
    assert missing_prompts(tmp_path, None, "fr", menu) == (Prompt.HOLDING,)
    with pytest.raises(ConfigError, match="for: holding "):
        load_prompts(tmp_path).of(None, "fr", menu)


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("goodbye.pcmu", b"", "nothing is recorded in it"),
        ("goodbye.pcmu", b"\xff" * (LONGEST_S * 8_000 + 1), "longer than 60 s"),
        ("goodbye.pcmu", b"RIFF\0\0\0\0WAVE", "is a WAV file, not raw"),
        ("goodbye.pcmu", b"ID3\3" + b"\0" * 99, "is an MP3 file, not raw"),
        ("goodbye.wav", b"\xff" * 99, "not a WAV file"),
        ("goodbye.wav", b"\xff" * 2_000_000, "longer than 60 s"),
        ("goodbye.mp3", b"ID3", "expected a file .pcmu or .wav"),
        ("goodbey.pcmu", SOUND, "did you mean goodbye?"),
        ("Ω.pcmu", SOUND, "the prompts are trouble, "),
        ("prompts.toml", b"goodbye = 3", "goodbye: expected a text in quotes"),
        ("prompts.toml", b"goodbey = 'x'", "did you mean goodbye?"),
        ("prompts.toml", b"goodbye = 'x'", "goodbye: has a text but no recording"),
        ("prompts.toml", b"goodbye = ", "cannot be read as TOML"),
        ("prompts.toml", b"\xff\xfe", "cannot be read as TOML"),
    ],
)
def test_a_mistake_names_its_file(tmp_path: Path, file: str, content: bytes, why: str) -> None:
    folder = record(tmp_path, "en", "holding")
    (folder / file).write_bytes(content)
    message = refused(tmp_path)
    assert message.startswith(f"{folder / file}: ")
    assert why in message


def test_a_prompt_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    record(tmp_path, "en", "goodbye")
    head = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 7, 1, 8_000, 8_000, 1, 8)
    folder = record(tmp_path, "en", "goodbye", audio=head + b"data\x02\0\0\0\xff\xff", suffix=".wav")
    assert refused(tmp_path).startswith(f"{folder / 'goodbye.wav'}: goodbye is there twice")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    folder = record(tmp_path, "en", "holding")
    os.mkfifo(folder / "goodbye.pcmu")
    assert refused(tmp_path) == f"{folder / 'goodbye.pcmu'}: not a recording: expected a file .pcmu or .wav"


def test_a_directory_without_folders_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"FALLBACK_PROMPTS: no folder of prompts in {tmp_path}"
    assert refused(tmp_path / "gone") == f"FALLBACK_PROMPTS: {tmp_path / 'gone'} cannot be read: FileNotFoundError"
