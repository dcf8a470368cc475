"""Instructions and answers from tables of a DynamoDB server, picked up by whoever asks next."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from common.profile_watch import ProfileWatch
from fakes.dynamo import REGION, DynamoServer, create_table, fill
from orchestrator.core.answers import AnswerList
from orchestrator.dynamo.client import Dynamo
from orchestrator.knowledge import tables
from orchestrator.knowledge.choosing import knowledge
from orchestrator.knowledge.knowledge import Knowledge
from orchestrator.knowledge.tables import AnswersTable, PromptTable
from orchestrator.settings import OrchestratorSettings

PROFILE = 'name: desk\nnumbers: ["*"]\ngreeting: Hi.\ninstructions: "Own. {FAQ_KB}"\nplaceholders: {DESK: the desk}\n'


def knowing(directory: Path, dynamo: Dynamo, **settings: str | Path) -> Knowledge:
    (directory / "desk.yaml").write_text(PROFILE, encoding="utf-8")
    given = OrchestratorSettings(aws_region=REGION, **settings)  # type: ignore[arg-type]
    return knowledge(given, ProfileWatch(directory, "PROFILES"), dynamo)


def told(known: Knowledge) -> str:
    return known.instructions(known.profiles.by_name["desk"])


async def look(known: Knowledge) -> None:
    for watched in known._watched:
        await watched.look()


async def test_prompt_and_answers_come_from_tables_and_change_without_a_restart(tmp_path: Path, dynamo: Dynamo) -> None:
    prompts, answers = await create_table(dynamo, "id"), await create_table(dynamo, "question")
    await fill(dynamo, prompts, {"id": "system", "content": "At {DESK}: {FAQ_KB}"}, {"id": "other", "content": "No."})
    await fill(dynamo, answers, {"question": "Open?", "answer": "From nine."}, {"question": "Dogs?", "answer": "Yes."})
    known = knowing(tmp_path, dynamo, prompts_table_name=prompts, faq_table_name=answers)
    await known.start()
    assert told(known) == "At the desk: Q: Dogs?\nA: Yes.\n\nQ: Open?\nA: From nine."
    await fill(dynamo, prompts, {"id": "system", "content": "Now: {FAQ_KB}"})
    await fill(dynamo, answers, {"question": "Dogs?", "answer": "No more."})
    await look(known)
    assert told(known) == "Now: Q: Dogs?\nA: No more.\n\nQ: Open?\nA: From nine."


async def test_tables_that_are_not_there_yet_are_waited_for_with_the_profiles_own_instructions(
    tmp_path: Path, dynamo: Dynamo
) -> None:
    known = knowing(tmp_path, dynamo, prompts_table_name="prompts-later", faq_table_name="faq-later")
    await known.start()
    assert told(known) == "Own. No list of answers is at hand right now."
    await create_table(dynamo, "id", name="prompts-later")
    await create_table(dynamo, "question", name="faq-later")
    await look(known)
    assert told(known) == "Own. No list of answers is at hand right now."
    await fill(dynamo, "prompts-later", {"id": "system", "content": "Now: {FAQ_KB}"})
    await fill(dynamo, "faq-later", {"question": "Dogs?", "answer": "Yes."})
    await look(known)
    assert told(known) == "Now: Q: Dogs?\nA: Yes."


async def test_what_was_known_stays_while_the_server_is_away(
    tmp_path: Path, dynamo: Dynamo, dynamo_server: DynamoServer
) -> None:
    table = await create_table(dynamo, "question")
    await fill(dynamo, table, {"question": "Dogs?", "answer": "Yes."})
    known = knowing(tmp_path, dynamo, faq_table_name=table)
    await known.start()
    dynamo_server.stop()
    try:
        await look(known)
        assert told(known) == "Own. Q: Dogs?\nA: Yes."
    finally:
        dynamo_server.start()
    await fill(dynamo, table, {"question": "Dogs?", "answer": "No."})
    await look(known)
    assert told(known) == "Own. Q: Dogs?\nA: No."


@pytest.mark.parametrize("item", [{}, {"content": " "}, {"content": 7}, {"text": "Here."}])
async def test_a_prompt_table_without_text_is_the_operators(dynamo: Dynamo, item: dict[str, str | int]) -> None:
    table = await create_table(dynamo, "id")
    await fill(dynamo, table, {"id": "system", **item})
    with pytest.raises(ConfigError, match=f"PROMPTS_TABLE_NAME: {table} has no item id=system"):
        await PromptTable(dynamo, table).read()


async def test_a_table_of_which_nothing_can_be_used_is_the_operators_and_an_empty_one_is_an_empty_list(
    dynamo: Dynamo,
) -> None:
    table = await create_table(dynamo, "id")
    assert await AnswersTable(dynamo, table).read() == AnswerList()
    await fill(dynamo, table, {"id": "1", "question": "Dogs?"}, {"id": "2", "question": 7, "answer": "Yes."})
    with pytest.raises(ConfigError, match=f"FAQ_TABLE_NAME: no item of {table} has text"):
        await AnswersTable(dynamo, table).read()
    await fill(dynamo, table, {"id": "3", "question": "Cats?", "answer": "No."})
    assert await AnswersTable(dynamo, table).read() == AnswerList(("Q: Cats?\nA: No.",), malformed=2)


async def test_of_more_than_two_hundred_answers_the_first_by_the_alphabet_are_told(dynamo: Dynamo) -> None:
    table = await create_table(dynamo, "question")
    await fill(dynamo, table, *({"question": f"{number:03}?", "answer": "Yes."} for number in range(205)))
    found = await AnswersTable(dynamo, table).read()
    assert found is not None
    assert (len(found.answers), found.answers[0], found.answers[-1]) == (200, "Q: 000?\nA: Yes.", "Q: 199?\nA: Yes.")
    assert found.too_many == 5


async def test_of_a_far_too_large_table_only_a_part_is_read(dynamo: Dynamo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_PAGE", 2)
    monkeypatch.setattr(tables, "_READ_AT_MOST", 4)
    table = await create_table(dynamo, "question")
    await fill(dynamo, table, *({"question": f"{number}?", "answer": "Yes."} for number in range(7)))
    found = await AnswersTable(dynamo, table).read()
    assert found is not None
    assert (len(found.answers), found.too_many) == (4, 1)


@pytest.mark.parametrize(
    ("path", "table"),
    [("system_prompt_path", "prompts_table_name"), ("faq_kb_path", "faq_table_name")],
)
async def test_a_file_and_a_table_for_one_thing_are_refused(tmp_path: Path, path: str, table: str) -> None:
    dynamo = Dynamo(REGION, None)
    both: dict[str, str | Path] = {path: tmp_path / "file", table: "table"}
    with pytest.raises(ConfigError, match=f"{path.upper()}, {table.upper()}: give one of them"):
        knowing(tmp_path, dynamo, **both)


async def test_files_are_taken_if_the_settings_name_them(tmp_path: Path) -> None:
    (tmp_path / "prompt.md").write_text("From a file at {DESK}. {FAQ_KB}", encoding="utf-8")
    (tmp_path / "faq.md").write_text("We close at six.", encoding="utf-8")
    known = knowing(
        tmp_path, Dynamo(REGION, None), system_prompt_path=tmp_path / "prompt.md", faq_kb_path=tmp_path / "faq.md"
    )
    await known.start()
    assert told(known) == "From a file at the desk. We close at six."
