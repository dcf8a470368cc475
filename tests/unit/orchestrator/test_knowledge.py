"""What agents are told: newest good first, last good when the source is away, never a wait and never too much."""

import asyncio
import logging
from pathlib import Path
from typing import Generic, TypeVar

import pytest
from prometheus_client import REGISTRY

from common import profile_watch
from common.errors import ConfigError, StorageUnavailable
from common.profile_watch import ProfileWatch
from fakes.waiting import until
from orchestrator.core.answers import AnswerList, from_text
from orchestrator.knowledge.files import FileSource
from orchestrator.knowledge.knowledge import Knowledge

T = TypeVar("T")

PROFILE = """\
name: desk
numbers: ["*"]
greeting: Hello.
instructions: "At {DESK}: {FAQ_KB}"
persona: {tone: calm}
placeholders: {DESK: the desk}
agents:
  billing: {when: Invoices., instructions: "Bill. {FAQ_KB}"}
"""
PERSONA = "\n\nHow you speak for us:\n- Your tone: calm."
EMPTY_HANDED = "No list of answers is at hand right now."
AWAY = StorageUnavailable("the table is away")


class Scripted(Generic[T]):
    """A source that is read as its script says, and no further. None: nothing new."""

    setting = "THE_SETTING"
    every_s = 0.0
    is_local = False

    def __init__(self, label: str, *script: T | Exception | None) -> None:
        self.label = label
        self._script = list(script)

    async def read(self) -> T | None:
        """The next step."""
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def prompts(*script: str | Exception | None) -> Scripted[str]:
    return Scripted("prompt_table", *script)


def lists(*script: AnswerList | Exception | None) -> Scripted[AnswerList]:
    return Scripted("faq_table", *script)


def watching(directory: Path, text: str = PROFILE) -> ProfileWatch:
    (directory / "desk.yaml").write_text(text, encoding="utf-8")
    return ProfileWatch(directory, "PROFILES")


def told(knowledge: Knowledge, agent: str = "front") -> str:
    return knowledge.instructions(knowledge.profiles.by_name["desk"], agent)


def refreshes(source: str, result: str) -> float:
    labels = {"source": source, "result": result}
    return REGISTRY.get_sample_value("trunkline_knowledge_refresh_total", labels) or 0.0


def dropped(why: str) -> float:
    return REGISTRY.get_sample_value("trunkline_knowledge_dropped_total", {"why": why}) or 0.0


async def look(knowledge: Knowledge, times: int = 1) -> None:
    for _ in range(times):
        for watched in knowledge._watched:
            await watched.look()


async def test_without_any_source_the_profiles_own_instructions_are_told(tmp_path: Path) -> None:
    knowledge = Knowledge(watching(tmp_path))
    await knowledge.start()
    profile = knowledge.profiles.by_name["desk"]
    assert told(knowledge) == profile.instructions == f"At the desk: {EMPTY_HANDED}{PERSONA}"
    assert told(knowledge, "billing") == profile.agents["billing"].instructions


async def test_answers_are_put_into_every_agents_instructions(tmp_path: Path) -> None:
    knowledge = Knowledge(watching(tmp_path), answers=lists(AnswerList(("Q: A?\nA: B.", "Q: C?\nA: {DESK}."))))
    await knowledge.start()
    assert told(knowledge) == "At the desk: Q: A?\nA: B.\n\nQ: C?\nA: {DESK}." + PERSONA
    assert told(knowledge, "billing") == "Bill. Q: A?\nA: B.\n\nQ: C?\nA: {DESK}."


async def test_another_prompt_stands_in_place_of_the_front_agents_own_and_keeps_persona_and_placeholders(
    tmp_path: Path,
) -> None:
    knowledge = Knowledge(watching(tmp_path), prompts("New at {DESK}. {FAQ_KB}"), lists(AnswerList(("We close.",))))
    await knowledge.start()
    assert told(knowledge) == f"New at the desk. We close.{PERSONA}"
    assert told(knowledge, "billing") == "Bill. We close."


async def test_a_change_is_told_to_the_next_who_asks(tmp_path: Path) -> None:
    knowledge = Knowledge(watching(tmp_path), prompts("One.", None, "Two."))
    await knowledge.start()
    await look(knowledge)
    assert told(knowledge) == f"One.{PERSONA}"
    await look(knowledge)
    assert told(knowledge) == f"Two.{PERSONA}"


async def test_a_changed_profile_is_told_too(tmp_path: Path) -> None:
    watch = watching(tmp_path)
    knowledge = Knowledge(watch, answers=lists(AnswerList(("We close.",))))
    await knowledge.start()
    assert told(knowledge) == f"At the desk: We close.{PERSONA}"
    watching(tmp_path, PROFILE.replace("At {DESK}", "In {DESK}"))
    await watch.look()
    await watch.look()
    assert told(knowledge) == f"In the desk: We close.{PERSONA}"


async def test_the_last_good_prompt_stays_while_its_source_is_away_or_broken_which_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ConfigError("THE_SETTING: nothing in it")
    knowledge = Knowledge(watching(tmp_path), prompts("Good.", AWAY, AWAY, broken, broken, None))
    before = {result: refreshes("prompt_table", result) for result in ("changed", "away", "broken", "unchanged")}
    await knowledge.start()
    with caplog.at_level(logging.WARNING):
        await look(knowledge, 5)
    assert told(knowledge) == f"Good.{PERSONA}"
    after = {result: refreshes("prompt_table", result) - count for result, count in before.items()}
    assert after == {"changed": 1, "away": 2, "broken": 2, "unchanged": 1}
    assert [vars(record)["fields"]["why"] for record in caplog.records] == [
        "the table is away",
        "THE_SETTING: nothing in it",
    ]


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        (" \n", "THE_SETTING: the instructions are empty"),
        ("Open {HOURS}.", "THE_SETTING: the instructions do not fit to profile desk: no value for {HOURS}"),
        ("x" * 65_537, "THE_SETTING: the instructions do not fit to profile desk: longer than 65536 bytes"),
    ],
)
async def test_a_prompt_that_does_not_fit_is_refused_and_the_last_one_stays(
    tmp_path: Path, prompt: str, why: str
) -> None:
    knowledge = Knowledge(watching(tmp_path), prompts("Good.", prompt))
    await knowledge.start()
    (watched,) = knowledge._watched
    found = await watched.look()
    assert found is not None
    assert found.startswith(why)
    assert told(knowledge) == f"Good.{PERSONA}"


async def test_a_refused_prompt_is_taken_once_the_profiles_fit_to_it(tmp_path: Path) -> None:
    watch = watching(tmp_path)
    knowledge = Knowledge(watch, prompts("Good.", "Open {HOURS}.", None))
    await knowledge.start()
    await look(knowledge)
    watching(tmp_path, PROFILE.replace("{DESK: the desk}", "{DESK: the desk, HOURS: at nine}"))
    await watch.look()
    await watch.look()
    await look(knowledge)
    assert told(knowledge) == f"Open at nine.{PERSONA}"


async def test_a_profile_that_comes_later_and_does_not_fit_keeps_its_own_instructions(tmp_path: Path) -> None:
    watch = watching(tmp_path, PROFILE.replace("{DESK: the desk}", "{DESK: the desk, HOURS: at nine}"))
    knowledge = Knowledge(watch, prompts("Open {HOURS}."))
    await knowledge.start()
    assert told(knowledge) == f"Open at nine.{PERSONA}"
    watching(tmp_path)
    await watch.look()
    await watch.look()
    assert told(knowledge) == f"At the desk: {EMPTY_HANDED}{PERSONA}"


async def test_a_profile_or_agent_that_is_gone_keeps_what_the_call_began_with(tmp_path: Path) -> None:
    watch = watching(tmp_path)
    knowledge = Knowledge(watch, answers=lists(AnswerList(("We close.",))))
    await knowledge.start()
    running = knowledge.profiles.by_name["desk"]
    watching(tmp_path, "name: other\ngreeting: Hi.\ninstructions: Be.\n")
    await watch.look()
    await watch.look()
    assert knowledge.instructions(running) == running.instructions
    assert knowledge.instructions(running, "billing") == running.agents["billing"].instructions
    assert knowledge.instructions(running, "nobody") == running.instructions


# --- sizes ------------------------------------------------------------------------------------------------------------


async def test_answers_without_room_are_left_out_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many = AnswerList((*(f"{number:03}" + "x" * 497 for number in range(130)), "longest" + "y" * 600))
    knowledge = Knowledge(watching(tmp_path), answers=lists(many))
    await knowledge.start()
    before = dropped("no_room")
    with caplog.at_level(logging.WARNING):
        text, again = told(knowledge), told(knowledge)
    assert text == again
    assert "longest" not in text
    assert text.count("x" * 497) == 131 - (dropped("no_room") - before) < 130
    assert 60_000 < len(text.encode()) <= 65_536 - 4_096
    assert [vars(record)["fields"]["left_out"] for record in caplog.records] == [dropped("no_room") - before]


async def test_front_agent_and_specialist_fit_into_one_message_together(tmp_path: Path) -> None:
    many = AnswerList(tuple(f"{number:03}" + "x" * 497 for number in range(130)))
    long = PROFILE.replace("Bill. {FAQ_KB}", "Bill. " + "z" * 20_000)
    knowledge = Knowledge(watching(tmp_path, long), answers=lists(many))
    await knowledge.start()
    assert len(told(knowledge)) + len(told(knowledge, "billing")) <= 65_536 - 4_096
    assert "x" in told(knowledge)


async def test_answers_that_were_left_out_of_the_list_itself_are_counted_once(tmp_path: Path) -> None:
    found = AnswerList(("We close.",), malformed=2, too_many=3)
    knowledge = Knowledge(watching(tmp_path), answers=lists(found, found, found))
    before = dropped("malformed"), dropped("too_many")
    await knowledge.start()
    await look(knowledge, 2)
    assert (dropped("malformed") - before[0], dropped("too_many") - before[1]) == (2, 3)


# --- at the start -----------------------------------------------------------------------------------------------------


async def test_a_table_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    knowledge = Knowledge(watching(tmp_path), answers=lists(AWAY, AnswerList(("We close.",))))
    await knowledge.start()
    assert told(knowledge) == f"At the desk: {EMPTY_HANDED}{PERSONA}"
    await look(knowledge)
    assert told(knowledge) == f"At the desk: We close.{PERSONA}"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "FAQ_KB_PATH: {file} cannot be read: FileNotFoundError"),
        (b"\xff\xfe", "FAQ_KB_PATH: {file} is not UTF-8"),
        (b"x" * 1_048_577, "FAQ_KB_PATH: {file} is longer than 1 MiB"),
    ],
)
async def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "faq.md"
    if content is not None:
        file.write_bytes(content)
    source = FileSource("faq_file", "FAQ_KB_PATH", file, from_text)
    with pytest.raises(ConfigError) as refusal:
        await Knowledge(watching(tmp_path), answers=source).start()
    assert str(refusal.value) == why.replace("{file}", str(file))


async def test_a_prompt_file_that_does_not_fit_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    file.write_text("Open {HOURS}.", encoding="utf-8")
    knowledge = Knowledge(watching(tmp_path), FileSource("prompt_file", "SYSTEM_PROMPT_PATH", file, str))
    with pytest.raises(ConfigError, match=r"^SYSTEM_PROMPT_PATH: .* profile desk: no value for \{HOURS\}"):
        await knowledge.start()


# --- files ------------------------------------------------------------------------------------------------------------


async def test_a_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    file.write_text("One.", encoding="utf-8")
    source = FileSource("prompt_file", "SYSTEM_PROMPT_PATH", file, str)
    assert await source.read() == "One."
    assert await source.read() is None
    file.write_text("Two, longer.", encoding="utf-8")
    assert await source.read() == "Two, longer."
    file.unlink()
    with pytest.raises(StorageUnavailable):
        await source.read()
    file.write_text("Three.", encoding="utf-8")
    assert await source.read() == "Three."


async def test_a_file_that_is_gone_and_back_leaves_the_last_good_answers(tmp_path: Path) -> None:
    file = tmp_path / "faq.md"
    file.write_text("We close.\n\nWe open.", encoding="utf-8")
    knowledge = Knowledge(watching(tmp_path), answers=FileSource("faq_file", "FAQ_KB_PATH", file, from_text))
    await knowledge.start()
    file.unlink()
    await look(knowledge)
    assert told(knowledge) == f"At the desk: We close.\n\nWe open.{PERSONA}"
    file.write_text("", encoding="utf-8")
    await look(knowledge)
    assert told(knowledge) == f"At the desk: {EMPTY_HANDED}{PERSONA}"


# --- the running part -------------------------------------------------------------------------------------------------


async def test_while_it_runs_changed_files_and_profiles_are_there_for_the_next_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileSource, "every_s", 0.01)
    monkeypatch.setattr(profile_watch, "_LOOK_EVERY_S", 0.01)
    file = tmp_path / "faq.md"
    file.write_text("We close.", encoding="utf-8")
    knowledge = Knowledge(watching(tmp_path), answers=FileSource("faq_file", "FAQ_KB_PATH", file, from_text))
    await knowledge.start()
    work = asyncio.create_task(knowledge.run())
    try:
        file.write_text("We close at six.", encoding="utf-8")
        (tmp_path / "desk.yaml").write_text(PROFILE.replace("At {DESK}", "In {DESK}"), encoding="utf-8")
        await until(lambda: told(knowledge) == f"In the desk: We close at six.{PERSONA}")
    finally:
        work.cancel()
        await asyncio.wait([work])
    assert work.cancelled()
