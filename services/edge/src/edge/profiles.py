"""Agent profiles from YAML: every mistake stops the start with file, line and field."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from common import pipeline
from common.errors import ConfigError
from common.pipeline import STAGES
from common.profile import AgentProfile
from common.prompts import missing_prompts, not_recorded

_PLACEHOLDER: Final = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
ANY_NUMBER: Final = "*"
PROMPTS: Final = "prompts"
"""The folder beside the profiles that holds what callers hear when no model speaks."""


@dataclass(frozen=True)
class Profiles:
    """Every agent of this installation."""

    by_number: dict[str, AgentProfile]
    by_name: dict[str, AgentProfile]

    def answering(self, number: str) -> AgentProfile | None:
        """The agent for a dialled number: the one that names it, else the one that answers any."""
        return self.by_number.get(number) or self.by_number.get(ANY_NUMBER)


def load_profiles(directory: Path) -> Profiles:
    """Read every `*.yaml` of `directory`. Raises `ConfigError` with file, line and field."""
    files = sorted((*directory.glob("*.yaml"), *directory.glob("*.yml")))
    if not files:
        raise ConfigError(f"EDGE_AGENT_PROFILES: no *.yaml agent profile in {directory}")
    read = list(_read_all(files))
    _check_endpoints(read, directory / pipeline.FILE_NAME)
    return _index(read)


def _read_all(files: Iterable[Path]) -> Iterator[tuple[Path, "_Document", AgentProfile]]:
    for file in files:
        document = _Document(file)
        profile = document.profile()
        _check_menu(document, profile, file.parent / PROMPTS)
        yield file, document, profile


def _check_menu(document: "_Document", profile: AgentProfile, prompts: Path) -> None:
    """What the keypad menu would say and whom it would dial is there."""
    asked_for, menu = profile.fallback.prompts, profile.fallback.menu
    if menu.transfer is not None and menu.transfer not in profile.transfers:
        raise document.mistake(("fallback", "menu", "transfer"), f"there is no {menu.transfer} under transfers")
    if asked_for is not None and not (prompts / asked_for).is_dir():
        raise document.mistake(("fallback", "prompts"), f"there is no folder {prompts / asked_for}")
    missing = missing_prompts(prompts, asked_for, profile.language, menu) if prompts.is_dir() else ()
    if missing:
        field = ("language",) if asked_for is None else ("fallback", "prompts")
        raise document.mistake(field, not_recorded(prompts, asked_for, profile.language, missing))


def _check_endpoints(read: list[tuple[Path, "_Document", AgentProfile]], file: Path) -> None:
    """Every endpoint a profile names for its fallback is one of `file`, or, without it, the only one there is."""
    known = pipeline.load_pipeline(file) if file.is_file() else None
    for _, document, profile in read:
        for stage in STAGES:
            there_are = known.names(stage) if known else (pipeline.OPENAI,)
            for index, name in enumerate(getattr(profile.fallback, stage)):
                if name not in there_are:
                    why = f"no {stage} endpoint of {file} is called that; there are: {', '.join(there_are)}"
                    raise document.mistake(("fallback", stage, index), why)


def _index(read: list[tuple[Path, "_Document", AgentProfile]]) -> Profiles:
    by_name: dict[str, AgentProfile] = {}
    by_number: dict[str, AgentProfile] = {}
    for _, document, profile in read:
        if profile.name in by_name:
            raise document.mistake(("name",), f"another profile is called {profile.name}")
        by_name[profile.name] = profile
        for number in profile.numbers:
            if number != ANY_NUMBER and not _NUMBER.fullmatch(number):
                raise document.mistake(("numbers",), "give numbers as +15550100100, or *")
            if number in by_number:
                raise document.mistake(("numbers",), f"profile {by_number[number].name} answers this number already")
            by_number[number] = profile
    return Profiles(by_number, by_name)


class _Document:
    """One YAML file, which remembers the line of each field."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            text = file.read_text(encoding="utf-8")
            self._node = yaml.compose(text, Loader=yaml.SafeLoader)
            self._values: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(f"{file}:{line}: not YAML: {error.problem}") from None
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise ConfigError(f"{file}:1: cannot be read: {type(error).__name__}") from None
        if not isinstance(self._values, dict):
            raise ConfigError(f"{file}:1: expected fields such as name, greeting, instructions")

    def profile(self) -> AgentProfile:
        """The profile: files read, placeholders filled, every field checked."""
        values = dict(self._values)
        placeholders = self._placeholders(values.pop("placeholders", None))
        self._read_instructions(values)
        for field in ("instructions", "greeting"):
            if isinstance(values.get(field), str):
                values[field] = self._fill(field, values[field], placeholders)
        try:
            return AgentProfile.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise self.mistake(first["loc"], first["msg"]) from None

    def mistake(self, path: tuple[int | str, ...], why: str) -> ConfigError:
        """What to tell the operator about the field at `path`."""
        if path[:1] == ("instructions",) and "instructions_file" in self._values:
            path = ("instructions_file",)
        named = ".".join(str(part) for part in path)
        return ConfigError(f"{self._file}:{self._line(path)}: {named}: {why}")

    def _placeholders(self, given: object) -> dict[str, str]:
        if given is None:
            return {}
        if not isinstance(given, dict) or not all(isinstance(value, str | int | float) for value in given.values()):
            raise self.mistake(("placeholders",), "expected NAME: value")
        return {str(name): str(value) for name, value in given.items()}

    def _read_instructions(self, values: dict[str, Any]) -> None:
        name = values.pop("instructions_file", None)
        if name is None:
            return
        if "instructions" in values:
            raise self.mistake(("instructions_file",), "give instructions or instructions_file, not both")
        try:
            values["instructions"] = (self._file.parent / str(name)).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.mistake(("instructions_file",), f"cannot be read: {type(error).__name__}") from None

    def _fill(self, field: str, text: str, placeholders: dict[str, str]) -> str:
        missing = sorted(set(_PLACEHOLDER.findall(text)) - set(placeholders))
        if missing:
            raise self.mistake((field,), f"no value for {{{missing[0]}}} under placeholders")
        return _PLACEHOLDER.sub(lambda match: placeholders[match[1]], text)

    def _line(self, path: tuple[int | str, ...]) -> int:
        node = self._node
        line = 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = (node.value[part], node.value[part])
            else:
                found = None
            if found is None:
                continue  # a union's tag, or a field that is not there: its parent's line is the nearest
            line, node = found[0].start_mark.line + 1, found[1]
        return line
