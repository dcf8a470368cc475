"""Agent profiles from YAML: every mistake stops the start with file, line and field."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from common import pipeline
from common.agents import FRONT
from common.errors import ConfigError
from common.persona import Persona, written_out
from common.profile import AgentProfile
from common.profile_checks import check_agents, check_endpoints, check_menu
from common.profile_document import FieldPath, ProfileDocument
from common.wording import LATE, Wording

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
ANY_NUMBER: Final = "*"
PROMPTS: Final = "prompts"
"""The folder beside the profiles that holds what callers hear when no model speaks."""

OnFile: TypeAlias = Callable[[Path], None]
Wordings: TypeAlias = Mapping[str, Wording]
"""What the agents of one profile are told, by their names; the profile's own under `FRONT`."""


@dataclass(frozen=True)
class Profiles:
    """Every agent of this installation."""

    by_number: dict[str, AgentProfile]
    by_name: dict[str, AgentProfile]
    wordings: Mapping[str, Wordings] = field(default_factory=dict)
    """By the profile's name: for whoever fills late placeholders or puts another text in place of the profile's."""

    def answering(self, number: str) -> AgentProfile | None:
        """The agent for a dialled number: the one that names it, else the one that answers any."""
        return self.by_number.get(number) or self.by_number.get(ANY_NUMBER)


@dataclass(frozen=True)
class _Read:
    document: ProfileDocument
    profile: AgentProfile
    wordings: Wordings


def load_profiles(directory: Path, setting: str = "agent profiles", on_file: OnFile = lambda file: None) -> Profiles:
    """Read every `*.yaml` of `directory`, which `setting` names. Raises `ConfigError` with file, line and field.

    `on_file` is called for every file the outcome hangs on, before it is read; also if this raises.
    """
    files = profile_files(directory)
    endpoints = directory / pipeline.FILE_NAME
    for file in (*files, endpoints):
        on_file(file)
    if not files:
        raise ConfigError(f"{setting}: no *.yaml agent profile in {directory}")
    read = list(_read_all(files, on_file))
    check_endpoints(((each.document, each.profile) for each in read), endpoints)
    return _index(read)


def profile_files(directory: Path) -> list[Path]:
    """The files in `directory` that are agent profiles, in the order they are read."""
    return sorted((*directory.glob("*.yaml"), *directory.glob("*.yml")))


def _read_all(files: Iterable[Path], on_file: OnFile) -> Iterator[_Read]:
    for file in files:
        document = ProfileDocument(file)
        read = _read(document, on_file)
        check_menu(document, read.profile, file.parent / PROMPTS)
        check_agents(document, read.profile)
        yield read


def _index(read: list[_Read]) -> Profiles:
    by_name: dict[str, AgentProfile] = {}
    by_number: dict[str, AgentProfile] = {}
    for each in read:
        profile, mistake = each.profile, each.document.mistake
        if profile.name in by_name:
            raise mistake(("name",), f"another profile is called {profile.name}")
        by_name[profile.name] = profile
        for number in profile.numbers:
            if number != ANY_NUMBER and not _NUMBER.fullmatch(number):
                raise mistake(("numbers",), "give numbers as +15550100100, or *")
            if number in by_number:
                raise mistake(("numbers",), f"profile {by_number[number].name} answers this number already")
            by_number[number] = profile
    return Profiles(by_number, by_name, {each.profile.name: each.wordings for each in read})


# --- one file ---------------------------------------------------------------------------------------------------------


def _read(document: ProfileDocument, on_file: OnFile) -> _Read:
    """The profile: files read, persona written out, placeholders filled, every field checked."""
    values = dict(document.values)
    placeholders = _placeholders(document, values.pop("placeholders", None))
    _read_instructions(document, values, on_file)
    wordings = dict(_wordings(document, values, placeholders))
    for name, wording in wordings.items():
        _fill(document, values, name, wording)
    if isinstance(values.get("greeting"), str):
        greeting = Wording(values["greeting"], placeholders, "")
        _check_filled(document, ("greeting",), greeting, greeting.text, frozenset())
        values["greeting"] = greeting.filled()
    try:
        return _Read(document, AgentProfile.model_validate(values), wordings)
    except ValidationError as error:
        first = error.errors()[0]
        raise document.mistake(first["loc"], first["msg"]) from None


def _placeholders(document: ProfileDocument, given: object) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(value, str | int | float) for value in given.values()):
        raise document.mistake(("placeholders",), "expected NAME: value")
    return {str(name): str(value) for name, value in given.items()}


def _read_instructions(document: ProfileDocument, values: dict[str, Any], on_file: OnFile) -> None:
    name = values.pop("instructions_file", None)
    if name is None:
        return
    if "instructions" in values:
        raise document.mistake(("instructions_file",), "give instructions or instructions_file, not both")
    on_file(document.file.parent / str(name))
    values["instructions"] = document.read_beside("instructions_file", name)


def _wordings(
    document: ProfileDocument, values: Mapping[str, Any], placeholders: Mapping[str, str]
) -> Iterator[tuple[str, Wording]]:
    """Of every agent whose instructions are text; what is not is refused with the rest of the profile."""
    persona = _persona(document, values.get("persona"))
    language = str(values.get("language", "en"))
    own = values.get("instructions", "" if persona is not None else None)
    if isinstance(own, str):
        yield FRONT, Wording(own, placeholders, language, written_out(persona, language) if persona else "")
    agents = values.get("agents")
    for name, agent in agents.items() if isinstance(agents, dict) else ():
        text = agent.get("instructions") if isinstance(agent, dict) else None
        if isinstance(text, str) and isinstance(name, str) and name != FRONT:
            yield name, Wording(text, placeholders, language)  # what is said of the persona stays in force beside it


def _persona(document: ProfileDocument, given: object) -> Persona | None:
    if given is None:
        return None
    try:
        return Persona.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise document.mistake(("persona", *first["loc"]), first["msg"]) from None


def _fill(document: ProfileDocument, values: dict[str, Any], name: str, wording: Wording) -> None:
    """Put the agent's final instructions where its own were."""
    at: FieldPath = ("instructions",) if name == FRONT else ("agents", name, "instructions")
    _check_filled(document, at, wording, wording.text)
    _check_filled(document, ("persona",), wording, wording.persona)
    if name != FRONT:
        agents = values["agents"]
        values["agents"] = {**agents, name: {**agents[name], "instructions": wording.filled()}}
    elif wording.whole or "instructions" in values:
        values["instructions"] = wording.filled()


def _check_filled(
    document: ProfileDocument, at: FieldPath, wording: Wording, text: str, late: frozenset[str] = LATE
) -> None:
    missing = next(wording.unfilled(text, late), None)
    if missing is not None:
        raise document.mistake(at, f"no value for {{{missing}}} under placeholders")
