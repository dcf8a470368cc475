"""Agent profiles: what they may say, and that every mistake names file, line and field."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from common.profile import SemanticVad
from common.profiles import load_profiles

GOOD = """\
name: desk
numbers: ["+15550100100", "*"]
greeting: Hello, {DESK}.
instructions: Be brief at {DESK}.
placeholders:
  DESK: the desk
"""

AGENTS = Path(__file__).parents[3] / "agents"


def write(directory: Path, text: str, name: str = "desk.yaml") -> Path:
    file = directory / name
    file.write_text(text, encoding="utf-8")
    return file


def refused(directory: Path) -> str:
    with pytest.raises(ConfigError) as refusal:
        load_profiles(directory)
    return str(refusal.value)


def test_a_good_profile_is_read_and_its_placeholders_filled(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    profile = load_profiles(tmp_path).by_name["desk"]
    assert (profile.greeting, profile.instructions) == ("Hello, the desk.", "Be brief at the desk.")


def test_the_profile_that_names_the_number_answers_before_the_one_for_any(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "name: other\nnumbers: ['+15550100200']\ngreeting: Hi\ninstructions: Be.\n", "other.yml")
    profiles = load_profiles(tmp_path)
    answering = [profiles.answering(number) for number in ("+15550100100", "+15550100200", "+15550100999", "")]
    assert [profile and profile.name for profile in answering] == ["desk", "other", "desk", "desk"]


def test_without_a_profile_for_any_number_a_stranger_has_none(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace(', "*"', ""))
    assert load_profiles(tmp_path).answering("+15550100999") is None


def test_instructions_may_come_from_a_file_with_placeholders(tmp_path: Path) -> None:
    (tmp_path / "desk.md").write_text("Work at {DESK} for {N} hours.", encoding="utf-8")
    write(tmp_path, GOOD.replace("instructions: Be brief at {DESK}.", "instructions_file: desk.md") + "  N: 8\n")
    assert load_profiles(tmp_path).by_name["desk"].instructions == "Work at the desk for 8 hours."


def test_braces_that_are_no_placeholder_stay(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("Be brief at {DESK}.", "'Answer {json} and {a1} and { DESK }.'"))
    assert load_profiles(tmp_path).by_name["desk"].instructions == "Answer {json} and {a1} and { DESK }."


def test_the_agents_we_ship_are_good() -> None:
    profiles = load_profiles(AGENTS)
    japanese = profiles.by_name["support-ja"]
    assert japanese.greeting == "もしもし、本日のご用件は何でしょうか？"
    assert isinstance(japanese.turn_detection, SemanticVad)
    assert profiles.answering("+15550100123") is profiles.by_name["support-en"]
    assert not any("{" in profile.instructions for profile in profiles.by_name.values())


@pytest.mark.parametrize(
    ("text", "line", "field", "why"),
    [
        (GOOD.replace("name: desk", "name: Desk!"), 1, "name", "match pattern"),
        (GOOD.replace("name: desk\n", ""), 1, "name", "required"),
        (GOOD.replace('"+15550100100"', '"5550100100"'), 2, "numbers", "+15550100100"),
        (GOOD.replace('"+15550100100"', "15550100100"), 2, "numbers.0", "string"),
        (GOOD.replace('["+15550100100", "*"]', '["*", "*"]'), 2, "numbers", "already"),
        (GOOD.replace("Hello, {DESK}.", "''"), 3, "greeting", "at least 1"),
        (GOOD.replace("Hello, {DESK}.", "Hello, {NOBODY}."), 3, "greeting", "{NOBODY}"),
        (GOOD.replace("at {DESK}", "at {NOWHERE}"), 4, "instructions", "{NOWHERE}"),
        (GOOD.replace("instructions: Be brief at {DESK}.\n", ""), 1, "instructions", "required"),
        (GOOD.replace("  DESK: the desk", "  - DESK"), 5, "placeholders", "NAME: value"),
        (GOOD.replace("  DESK: the desk", "  DESK: [1]"), 5, "placeholders", "NAME: value"),
        (GOOD + "last_resort: {type: transfer, number: 5550100300}\n", 7, "last_resort.transfer.number", "string"),
        (GOOD + "last_resort: {type: transfer, number: '110'}\n", 7, "last_resort.transfer.number", "pattern"),
        (GOOD + "last_resort: {type: transfer}\n", 7, "last_resort.transfer.number", "required"),
        (GOOD + "last_resort: {type: voicemail}\n", 7, "last_resort", "voicemail"),
        (GOOD + "voise: marin\n", 7, "voise", "not permitted"),
        (GOOD + "language: English\n", 7, "language", "match pattern"),
        (GOOD + "limits:\n  max_call_s: 3\n", 8, "limits.max_call_s", "greater than or equal to 10"),
        (GOOD + "limits:\n  max_calls: 3\n", 8, "limits.max_calls", "not permitted"),
        (GOOD + "limits: 3\n", 7, "limits", ""),
        (GOOD + "turn_detection:\n  type: psychic\n", 7, "turn_detection", "psychic"),
        (
            GOOD + "turn_detection:\n  type: server_vad\n  threshold: 2\n",
            9,
            "turn_detection.server_vad.threshold",
            "less than or equal to 1",
        ),
        (GOOD + "sentences:\n  sorry: no\n", 8, "sentences.sorry", "not permitted"),
        (GOOD + "noise_reduction: loud\n", 7, "noise_reduction", "near_field"),
        (GOOD + "instructions_file: a.md\n", 7, "instructions_file", "not both"),
        (
            GOOD.replace("instructions: Be brief at {DESK}.", "instructions_file: gone.md"),
            4,
            "instructions_file",
            "FileNotFoundError",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_line(
    tmp_path: Path, text: str, line: int, field: str, why: str
) -> None:
    file = write(tmp_path, text)
    message = refused(tmp_path)
    assert message.startswith(f"{file}:{line}: {field}: ")
    assert why in message


@pytest.mark.parametrize(
    ("instructions", "why"),
    [("Ask {NOBODY}.", "{NOBODY}"), ("", "at least 1"), (b"\xff\xfe\xfa", "UnicodeDecodeError")],
)
def test_a_wrong_instructions_file_is_named_where_the_profile_names_it(
    tmp_path: Path, instructions: str | bytes, why: str
) -> None:
    content = instructions.encode() if isinstance(instructions, str) else instructions
    (tmp_path / "desk.md").write_bytes(content)
    file = write(tmp_path, GOOD.replace("instructions: Be brief at {DESK}.", "instructions_file: desk.md"))
    message = refused(tmp_path)
    assert message.startswith(f"{file}:4: instructions_file: ")
    assert why in message


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("name: [desk\n", 2, "not YAML"),
        ("name: desk\n\tgreeting: x\n", 2, "not YAML"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "not YAML"),
        ("name: 2024-13-45\n", 1, "cannot be read"),
        ("", 1, "expected fields"),
        ("- desk\n", 1, "expected fields"),
        ("just words\n", 1, "expected fields"),
    ],
)
def test_a_file_that_is_no_profile_is_named_with_its_line(tmp_path: Path, text: str, line: int, why: str) -> None:
    file = write(tmp_path, text)
    message = refused(tmp_path)
    assert message.startswith(f"{file}:{line}: ")
    assert why in message


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_bytes(b"name: \xff\xfe")
    assert refused(tmp_path).startswith(f"{file}:1: cannot be read")


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    file = write(tmp_path, "greeting: Hi\nname: desk\ninstructions: Be.\n", "other.yaml")
    assert refused(tmp_path) == f"{file}:2: name: another profile is called desk"


def test_two_profiles_for_one_number_are_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    file = write(tmp_path, 'name: other\nnumbers: ["+15550100100"]\ngreeting: Hi\ninstructions: B.\n', "other.yaml")
    assert refused(tmp_path) == f"{file}:2: numbers: profile desk answers this number already"


@pytest.mark.parametrize("name", [".", "missing"])
def test_a_directory_without_profiles_is_refused_by_the_name_of_its_setting(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^DESK_AGENT_PROFILES: no \*\.yaml agent profile in /"):
        load_profiles(tmp_path / name, "DESK_AGENT_PROFILES")


def test_a_file_that_is_far_too_long_is_refused_unread(tmp_path: Path) -> None:
    file = write(tmp_path, "name: " + "x" * 1024 * 1024)
    assert refused(tmp_path).startswith(f"{file}:1: cannot be read")


# --- the agents behind it ---------------------------------------------------------------------------------------------


BEHIND = (
    GOOD
    + """\
agents:
  billing:
    when: Invoices.
    instructions: Bill at {DESK}.
    tools: [get_invoice]
    hands_over_to: [loans, front]
    after_tools:
      get_invoice: loans
    otherwise: loans
  loans:
    when: Books.
    instructions: Lend.
    otherwise: front
"""
)


def test_specialists_are_read_and_their_placeholders_filled(tmp_path: Path) -> None:
    write(tmp_path, BEHIND)
    agents = load_profiles(tmp_path).by_name["desk"].agents
    assert (agents["billing"].instructions, agents["loans"].instructions) == ("Bill at the desk.", "Lend.")
    assert agents["billing"].after_tools == {"get_invoice": "loans"}


@pytest.mark.parametrize(
    ("text", "line", "field", "why"),
    [
        (BEHIND.replace("  loans:", "  front:"), 16, "agents.front", "the agent the profile itself describes"),
        (BEHIND.replace("[loans, front]", "[loans, sales]"), 12, "agents.billing.hands_over_to.1", "no agent sales"),
        (BEHIND.replace("[loans, front]", "[billing]"), 12, "agents.billing.hands_over_to.0", "to itself"),
        (
            BEHIND.replace("get_invoice: loans", "get_invoice: sales"),
            14,
            "agents.billing.after_tools.get_invoice",
            "no agent sales; there are: billing, front, loans",
        ),
        (
            BEHIND.replace("get_invoice: loans", "get_invoice: billing"),
            14,
            "agents.billing.after_tools.get_invoice",
            "to itself",
        ),
        (
            BEHIND.replace("get_invoice: loans", "pay: loans"),
            14,
            "agents.billing.after_tools.pay",
            "no tool of that name",
        ),
        (BEHIND.replace("otherwise: front", "otherwise: sales"), 19, "agents.loans.otherwise", "no agent sales"),
        (
            BEHIND.replace("otherwise: front", "otherwise: loans"),
            15,
            "agents.billing.otherwise",
            "billing > loans > loans",
        ),
        (
            BEHIND.replace("otherwise: front", "otherwise: billing"),
            15,
            "agents.billing.otherwise",
            "in a circle: billing > loans > billing",
        ),
        (
            BEHIND.replace("at {DESK}.\n    tools", "at {NOBODY}.\n    tools"),
            10,
            "agents.billing.instructions",
            "{NOBODY}",
        ),
        (BEHIND.replace("    when: Books.\n", ""), 16, "agents.loans.when", "required"),
        (BEHIND.replace("    instructions: Lend.", "    instructions: 7"), 18, "agents.loans.instructions", "string"),
        (BEHIND.replace("  loans:", "  Loans:"), 16, "agents.Loans", "match pattern"),
        (BEHIND.replace("  loans:", "  7:"), 16, "agents.7", "string"),
        (GOOD + "agents: [billing]\n", 7, "agents", "dictionary"),
        (GOOD + "agents:\n  billing: now\n", 8, "agents.billing", "dictionary"),
    ],
)
def test_a_wrong_agent_is_named_with_its_file_and_line(
    tmp_path: Path, text: str, line: int, field: str, why: str
) -> None:
    file = write(tmp_path, text)
    message = refused(tmp_path)
    assert message.startswith(f"{file}:{line}: {field}")
    assert why in message


# --- what is filled late, and the persona -----------------------------------------------------------------------------


def test_the_list_of_answers_need_not_be_at_hand_in_instructions(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("Be brief at {DESK}.", "'At {DESK}: {FAQ_KB}'"))
    profiles = load_profiles(tmp_path)
    assert profiles.by_name["desk"].instructions == "At the desk: No list of answers is at hand right now."
    assert profiles.wordings["desk"]["front"].filled({"FAQ_KB": "Q: {DESK}?"}) == "At the desk: Q: {DESK}?"


def test_a_profile_may_bring_its_own_list_of_answers(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("Be brief at {DESK}.", "'{FAQ_KB}'") + "  FAQ_KB: We close at six.\n")
    profiles = load_profiles(tmp_path)
    assert profiles.by_name["desk"].instructions == "We close at six."
    assert profiles.wordings["desk"]["front"].filled({"FAQ_KB": "another"}) == "We close at six."


def test_a_greeting_cannot_hold_the_list_of_answers(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("Hello, {DESK}.", "'{FAQ_KB}'"))
    assert refused(tmp_path) == f"{file}:3: greeting: no value for {{FAQ_KB}} under placeholders"


PERSONA = "persona:\n  company: the reading room\n  role: receptionist\n  topics: [books, '{DESK}']\n"


def test_a_persona_follows_the_instructions_of_the_profile_and_not_those_of_its_specialists(tmp_path: Path) -> None:
    write(tmp_path, BEHIND + PERSONA)
    profile = load_profiles(tmp_path).by_name["desk"]
    assert profile.instructions == (
        "Be brief at the desk.\n\n"
        "How you speak for us:\n"
        "- You speak on the telephone for the reading room.\n"
        "- Your role: receptionist.\n"
        "- Talk about these topics only: books; the desk. "
        "Say politely that you cannot help with anything else."
    )
    assert profile.agents["loans"].instructions == "Lend."
    assert profile.persona is not None
    assert profile.persona.company == "the reading room"


def test_a_persona_alone_is_enough(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("instructions: Be brief at {DESK}.\n", "persona: {company: the desk}\n"))
    instructions = load_profiles(tmp_path).by_name["desk"].instructions
    assert instructions == "How you speak for us:\n- You speak on the telephone for the desk."


@pytest.mark.parametrize(
    ("text", "line", "field", "why"),
    [
        (GOOD + "persona:\n  company: {a: b}\n", 8, "persona.company", "string"),
        (GOOD + "persona:\n  mood: calm\n", 8, "persona.mood", "not permitted"),
        (GOOD + 'persona:\n  topics: [books, "a\\nb"]\n', 8, "persona.topics.1", "match pattern"),
        (GOOD + "persona:\n  tone: ' '\n", 8, "persona.tone", "match pattern"),
        (GOOD + f"persona:\n  tone: {'x' * 501}\n", 8, "persona.tone", "at most 500"),
        (GOOD + f"persona:\n  topics: [{'x, ' * 51}]\n", 8, "persona.topics", "at most 50"),
        (GOOD + "persona:\n  tone: like {NOBODY}\n", 7, "persona", "{NOBODY}"),
        (GOOD + "persona: friendly\n", 7, "persona", "dictionary"),
        (GOOD.replace("instructions: Be brief at {DESK}.\n", "persona: {}\n"), 1, "instructions", "required"),
    ],
)
def test_a_wrong_persona_is_named_with_its_file_and_line(
    tmp_path: Path, text: str, line: int, field: str, why: str
) -> None:
    file = write(tmp_path, text)
    message = refused(tmp_path)
    assert message.startswith(f"{file}:{line}: {field}: ")
    assert why in message


# --- the keypad menu --------------------------------------------------------------------------------------------------


def record(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.pcmu").write_bytes(b"\xff" * 800)


EVERY_PROMPT = tuple(path.stem for path in (AGENTS / "prompts" / "en").glob("*.pcmu"))


def test_a_directory_without_prompts_is_no_mistake_of_a_profile_that_asks_for_none(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "language: fr\n")
    assert load_profiles(tmp_path).by_name["desk"].language == "fr"


def test_a_desk_with_prompts_of_its_own_needs_only_what_its_language_lacks(tmp_path: Path) -> None:
    text = GOOD + "fallback:\n  prompts: my-desk\n"
    write(tmp_path, text)
    record(tmp_path / "prompts" / "en", *EVERY_PROMPT)
    record(tmp_path / "prompts" / "my-desk", "goodbye")
    assert load_profiles(tmp_path).by_name["desk"].fallback.prompts == "my-desk"


def test_a_missing_folder_of_prompts_is_named_with_line_and_field(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD + "fallback:\n  prompts: my-desk\n")
    assert refused(tmp_path) == f"{file}:8: fallback.prompts: there is no folder {tmp_path / 'prompts' / 'my-desk'}"


def test_a_language_without_prompts_is_refused_with_what_to_record(tmp_path: Path) -> None:
    record(tmp_path / "prompts" / "en", *EVERY_PROMPT)
    file = write(tmp_path, GOOD + "language: fr\nfallback:\n  menu: {message: false, callback: false}\n")
    message = refused(tmp_path)
    assert message.startswith(f"{file}:7: language: nothing is recorded in 'fr' for: goodbye, holding, menu_hold, ")
    assert message.endswith(f"(as .pcmu or .wav in {tmp_path / 'prompts' / 'fr'})")
    assert "record," not in message


def test_prompts_a_desk_and_its_language_both_lack_are_named(tmp_path: Path) -> None:
    record(tmp_path / "prompts" / "my-desk", *(set(EVERY_PROMPT) - {"goodbye", "recorded"}))
    file = write(tmp_path, GOOD + "language: fr\nfallback:\n  prompts: my-desk\n")
    message = refused(tmp_path)
    assert message.startswith(f"{file}:9: fallback.prompts: nothing is recorded in 'fr' for: goodbye, recorded (")


def test_a_menu_that_gives_callers_to_nobody_is_refused(tmp_path: Path) -> None:
    menu = "fallback:\n  menu:\n    transfer: front-desk\n"
    transfers = "transfers:\n  front-desk: {number: '+15550100300'}\n"
    file = write(tmp_path, GOOD + menu)
    assert refused(tmp_path) == f"{file}:9: fallback.menu.transfer: there is no front-desk under transfers"
    write(tmp_path, GOOD + menu + transfers)
    assert load_profiles(tmp_path).by_name["desk"].fallback.menu.transfer == "front-desk"


# --- the pipeline's endpoints -----------------------------------------------------------------------------------------


PIPELINE = """\
[[transcription]]
name = "house"
base_url = "http://house/v1"
model = "writes"
[[chat]]
name = "house"
base_url = "http://house/v1"
model = "answers"
[[speech]]
name = "eu"
base_url = "http://eu/v1"
key_name = "KEY_NOBODY_HAS"
model = "speaks"
"""


def test_a_profile_may_name_the_endpoints_of_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "pipeline.toml").write_text(PIPELINE, encoding="utf-8")
    write(tmp_path, GOOD + "fallback: {transcription: [house], speech: [eu]}\n")
    assert load_profiles(tmp_path).by_name["desk"].fallback.speech == ("eu",)


def test_without_a_pipeline_file_there_is_only_openai(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "fallback: {chat: [openai], speech: [openai]}\n")
    assert load_profiles(tmp_path).by_name["desk"].fallback.chat == ("openai",)
    write(tmp_path, GOOD + "fallback:\n  chat: [openai]\n  speech:\n    - openai\n    - eu\n")
    assert refused(tmp_path).startswith(f"{tmp_path}/desk.yaml:11: fallback.speech.1: no speech endpoint of ")


@pytest.mark.parametrize("stage", ["transcription", "chat", "speech"])
def test_an_endpoint_that_is_not_in_the_pipeline_is_refused(tmp_path: Path, stage: str) -> None:
    (tmp_path / "pipeline.toml").write_text(PIPELINE, encoding="utf-8")
    write(tmp_path, GOOD + f"fallback:\n  {stage}: [openai]\n")
    text = refused(tmp_path)
    assert text.startswith(
        f"{tmp_path}/desk.yaml:8: fallback.{stage}.0: no {stage} endpoint of {tmp_path}/pipeline.toml"
    )
    assert text.endswith(f"there are: {'eu' if stage == 'speech' else 'house'}")


def test_a_pipeline_file_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pipeline.toml").write_text(PIPELINE.replace("[[chat]]", "[[chats]]"), encoding="utf-8")
    write(tmp_path, GOOD)
    assert refused(tmp_path).startswith(f"{tmp_path}/pipeline.toml: chats is no stage")
