"""The recordings callers are told when no model speaks: folders of files, one for each language and each desk's own."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from common import pcmu, wav
from common.errors import ConfigError
from common.profile import Menu
from common.prompt_names import Prompt, needed

LONGEST_S: Final = 60
TEXTS: Final = "prompts.toml"
_SUFFIXES: Final = (".pcmu", ".wav")
_NOTES: Final = (".md", ".txt")
_FILE_BYTES: Final = 2 * LONGEST_S * pcmu.SAMPLE_RATE_HZ + 65_536
"""16-bit samples, and room for what else a WAV file may hold."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One prompt as it sounds (pcmu), and its words as far as they are known."""

    pcmu: bytes
    text: str = ""


class PromptSet:
    """What one agent's callers can be told: its own recordings before those of its language."""

    def __init__(self, recordings: Mapping[Prompt, Recording]) -> None:
        self._recordings = recordings

    def __contains__(self, name: Prompt) -> bool:
        return name in self._recordings

    def __getitem__(self, name: Prompt) -> Recording:
        return self._recordings[name]

    def pcmu(self, names: Iterable[Prompt]) -> bytes:
        """Prompts one after the other."""
        return b"".join(self._recordings[name].pcmu for name in names)

    def text(self, names: Iterable[Prompt]) -> str:
        """Their words."""
        return " ".join(text for name in names if (text := self._recordings[name].text))


class Prompts:
    """Every folder of prompts of this installation."""

    def __init__(self, directory: Path, folders: Mapping[str, Mapping[Prompt, Recording]]) -> None:
        self._directory = directory
        self._folders = folders

    def of(self, folder: str | None, language: str, menu: Menu) -> PromptSet:
        """What an agent says. Raises `ConfigError` naming what is not recorded of what its menu needs."""
        if folder is not None and folder not in self._folders:
            raise ConfigError(f"there is no folder of prompts {self._directory / folder}")
        own = self._folders[folder] if folder is not None else {}
        of_language = self._folders.get(language, {})
        recordings = {**of_language, **{name: _with_text(own[name], of_language.get(name)) for name in own}}
        if missing := sorted(needed(menu) - set(recordings)):
            raise ConfigError(not_recorded(self._directory, folder, language, missing))
        return PromptSet(recordings)


def _with_text(own: Recording, of_language: Recording | None) -> Recording:
    """A recording of one's own without words says about what the one it stands for says."""
    return own if own.text or of_language is None else Recording(own.pcmu, of_language.text)


def load_prompts(directory: Path) -> Prompts:
    """Read every folder in `directory`. Raises `ConfigError` naming the file and what is wrong with it."""
    try:
        folders = sorted(path for path in directory.iterdir() if path.is_dir() and not _is_hidden(path))
    except OSError as error:
        raise ConfigError(f"FALLBACK_PROMPTS: {directory} cannot be read: {type(error).__name__}") from None
    if not folders:
        raise ConfigError(f"FALLBACK_PROMPTS: no folder of prompts in {directory}")
    return Prompts(directory, {folder.name: _read_folder(folder) for folder in folders})


def missing_prompts(directory: Path, folder: str | None, language: str, menu: Menu) -> tuple[Prompt, ...]:
    """What an agent's callers may have to be told and nobody has recorded, by the names of the files alone."""
    there = {path.stem for each in {folder or language, language} for path in _recordings(directory / each)}
    return tuple(sorted(name for name in needed(menu) if name not in there))


def not_recorded(directory: Path, folder: str | None, language: str, missing: Iterable[Prompt]) -> str:
    """What to tell the operator about it."""
    names = ", ".join(missing)
    return f"nothing is recorded in {language!r} for: {names} (as .pcmu or .wav in {directory / (folder or language)})"


# --- one folder -----------------------------------------------------------------------------------------------------


def _recordings(folder: Path) -> list[Path]:
    return [path for suffix in _SUFFIXES for path in folder.glob(f"*{suffix}") if not _is_hidden(path)]


def _is_hidden(path: Path) -> bool:
    return path.name.startswith((".", "__"))


def _read_folder(folder: Path) -> dict[Prompt, Recording]:
    texts = _read_texts(folder / TEXTS)
    recordings: dict[Prompt, Recording] = {}
    for path in sorted(folder.iterdir()):
        if _is_hidden(path) or path.name == TEXTS or path.suffix in _NOTES:
            continue
        name = _named(path)
        if name in recordings:
            raise ConfigError(f"{path}: {name} is there twice, as .pcmu and as .wav; keep one")
        recordings[name] = Recording(_read_audio(path), texts.pop(name, ""))
    if texts:
        raise ConfigError(f"{folder / TEXTS}: {min(texts)}: has a text but no recording beside it")
    return recordings


def _named(path: Path) -> Prompt:
    if path.suffix not in _SUFFIXES or not path.is_file():
        raise ConfigError(f"{path}: not a recording: expected a file .pcmu or .wav")
    return _prompt(path.stem, str(path))


def _prompt(name: str, where: str) -> Prompt:
    try:
        return Prompt(name)
    except ValueError:
        close = get_close_matches(name, list(Prompt), n=1)
        hint = f"did you mean {close[0]}?" if close else f"the prompts are {', '.join(Prompt)}"
        raise ConfigError(f"{where}: there is no prompt {name!r}; {hint}") from None


def _read_texts(path: Path) -> dict[Prompt, str]:
    if not path.exists():
        return {}
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None
    for name, text in read.items():
        if not isinstance(text, str):
            raise ConfigError(f"{path}: {name}: expected a text in quotes")
    return {_prompt(name, str(path)): text for name, text in read.items()}


def _read_audio(path: Path) -> bytes:
    try:
        if path.stat().st_size > _FILE_BYTES:
            raise ConfigError(f"{path}: longer than {LONGEST_S} s")
        data = path.read_bytes()
        audio = wav.read(data) if path.suffix == ".wav" else _raw(data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {type(error).__name__}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not audio:
        raise ConfigError(f"{path}: nothing is recorded in it")
    if len(audio) > LONGEST_S * pcmu.SAMPLE_RATE_HZ:
        raise ConfigError(f"{path}: longer than {LONGEST_S} s")
    return audio


def _raw(data: bytes) -> bytes:
    """Raw audio looks like nothing in particular, but the heads of other files are known."""
    for head, kind in (
        (b"RIFF", "a WAV file"),
        (b"ID3", "an MP3 file"),
        (b"OggS", "an Ogg file"),
        (b".snd", "an AU file"),
    ):
        if data.startswith(head):
            raise ValueError(f"is {kind}, not raw µ-law")
    return data
