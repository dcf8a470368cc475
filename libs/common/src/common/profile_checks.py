"""What must fit together in a profile and what is beside it: each mistake is named with file, line and field."""

from collections.abc import Iterable
from pathlib import Path

from common import pipeline
from common.agents import FRONT
from common.pipeline import STAGES
from common.profile import AgentProfile
from common.profile_document import FieldPath, ProfileDocument
from common.prompts import missing_prompts, not_recorded


def check_menu(document: ProfileDocument, profile: AgentProfile, prompts: Path) -> None:
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


def check_agents(document: ProfileDocument, profile: AgentProfile) -> None:
    """Whoever is named as the next agent exists, and nobody is sent round in circles."""
    there_are = {FRONT, *profile.agents}
    if FRONT in profile.agents:
        raise document.mistake(("agents", FRONT), "that is the agent the profile itself describes")
    for name, agent in profile.agents.items():
        for index, next_name in enumerate(agent.hands_over_to or ()):
            _check_next(document, ("agents", name, "hands_over_to", index), name, next_name, there_are)
        for tool, next_name in agent.after_tools.items():
            _check_next(document, ("agents", name, "after_tools", tool), name, next_name, there_are)
            if tool not in agent.tools:
                raise document.mistake(("agents", name, "after_tools", tool), "the agent has no tool of that name")
        if agent.otherwise is not None:
            _check_next(document, ("agents", name, "otherwise"), name, agent.otherwise, there_are)
            way = _way_otherwise(profile, name)
            if way[-1] in way[:-1]:
                raise document.mistake(("agents", name, "otherwise"), f"leads in a circle: {' > '.join(way)}")


def _check_next(document: ProfileDocument, path: FieldPath, name: str, next_name: str, there_are: set[str]) -> None:
    if next_name == name:
        raise document.mistake(path, "an agent cannot hand over to itself")
    if next_name not in there_are:
        raise document.mistake(path, f"there is no agent {next_name}; there are: {', '.join(sorted(there_are))}")


def _way_otherwise(profile: AgentProfile, name: str) -> list[str]:
    """Where callers end up for whom nobody fits, until it ends or comes back to where it was."""
    way = [name]
    while (agent := profile.agents.get(way[-1])) is not None and agent.otherwise is not None:
        way.append(agent.otherwise)
        if way[-1] in way[:-1]:
            break
    return way


def check_endpoints(read: Iterable[tuple[ProfileDocument, AgentProfile]], file: Path) -> None:
    """Every endpoint a profile names for its fallback is one of `file`, or, without it, the only one there is."""
    known = pipeline.load_pipeline(file) if file.is_file() else None
    for document, profile in read:
        for stage in STAGES:
            there_are = known.names(stage) if known else (pipeline.OPENAI,)
            for index, name in enumerate(getattr(profile.fallback, stage)):
                if name not in there_are:
                    why = f"no {stage} endpoint of {file} is called that; there are: {', '.join(there_are)}"
                    raise document.mistake(("fallback", stage, index), why)
