"""Which sources of instructions and answers the settings name."""

from common.errors import ConfigError
from common.profile_watch import ProfileWatch
from orchestrator.core.answers import AnswerList, from_text
from orchestrator.dynamo.client import Dynamo
from orchestrator.knowledge.files import FileSource
from orchestrator.knowledge.knowledge import Knowledge
from orchestrator.knowledge.source import Source
from orchestrator.knowledge.tables import AnswersTable, PromptTable
from orchestrator.settings import OrchestratorSettings


def knowledge(settings: OrchestratorSettings, profiles: ProfileWatch, dynamo: Dynamo) -> Knowledge:
    """What agents are told. Raises `ConfigError` if two sources are given for one thing."""
    return Knowledge(profiles, _prompt(settings, dynamo), _answers(settings, dynamo))


def _prompt(settings: OrchestratorSettings, dynamo: Dynamo) -> Source[str] | None:
    path, table = settings.system_prompt_path, settings.prompts_table_name
    if path is not None and table is not None:
        raise ConfigError("SYSTEM_PROMPT_PATH, PROMPTS_TABLE_NAME: give one of them, not both")
    if path is not None:
        return FileSource("prompt_file", "SYSTEM_PROMPT_PATH", path, str)
    return PromptTable(dynamo, table) if table is not None else None


def _answers(settings: OrchestratorSettings, dynamo: Dynamo) -> Source[AnswerList] | None:
    path, table = settings.faq_kb_path, settings.faq_table_name
    if path is not None and table is not None:
        raise ConfigError("FAQ_KB_PATH, FAQ_TABLE_NAME: give one of them, not both")
    if path is not None:
        return FileSource("faq_file", "FAQ_KB_PATH", path, from_text)
    return AnswersTable(dynamo, table) if table is not None else None
