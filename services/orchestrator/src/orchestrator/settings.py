"""The settings of the orchestrator."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr

from common.errors import ConfigError
from common.pipeline import CHAT_MODEL
from common.settings import ApiBaseUrl, Port, Prefixes, ServiceSettings
from orchestrator.tools.file import FILE_NAME, ToolsFile, load_tools_file

PREFIXES: Final = Prefixes(("ORCHESTRATOR_",))


class OrchestratorSettings(ServiceSettings):
    """Read once, in `__main__`."""

    openai_api_key: SecretStr | None = Field(None, description="OpenAI API key")
    openai_base_url: ApiBaseUrl = Field("https://api.openai.com/v1", description="API base URL")
    orchestrator_agent_profiles: Path = Field(Path("agents"), description="Directory of agent profiles (YAML)")
    orchestrator_tools: Path | None = Field(
        None, description="File that says where tools come from; not set: tools.toml beside the profiles, if there"
    )
    orchestrator_chat_model: str = Field(
        CHAT_MODEL, min_length=1, description="What decides which agent has the caller, unless the profile says"
    )
    orchestrator_database_url: SecretStr = Field(
        SecretStr("sqlite:///var/trunkline.db"),
        description="sqlite:///file, or postgresql://user:password@host/name in a cluster",
    )
    orchestrator_migrate: bool | None = Field(
        None, description="Migrate the database at the start; not set: SQLite yes, PostgreSQL no (make migrate)"
    )
    orchestrator_host: str = Field("127.0.0.1", description="Address of the API")
    orchestrator_port: Port = Field(8090, description="Port of the API (/calls); 0: any")
    orchestrator_api_key: SecretStr | None = Field(
        None, min_length=16, description="Bearer key of the API, 16 characters or more; without one it is not served"
    )
    orchestrator_prices: Path | None = Field(
        None, description="File of model prices for the records; not set: those of the vendor, as shipped"
    )
    orchestrator_keep_transcripts_days: int = Field(
        30, ge=1, le=3_650, description="Days until spoken words and numbers are deleted from the records"
    )
    orchestrator_keep_calls_days: int = Field(400, ge=1, le=3_650, description="Days until whole records are deleted")
    orchestrator_tool_timeout_s: float = Field(
        15.0, gt=0, le=300, description="Longest run of a tool that does not say otherwise"
    )
    orchestrator_drain_deadline_s: float = Field(
        30.0, ge=0, le=3_600, description="Longest wait for running tools and turns when ending"
    )
    orchestrator_ops_port: Port = Field(9104, description="Port of /livez, /readyz and /metrics; 0: any")
    system_prompt_path: Path | None = Field(None, description="File with instructions in place of the profiles' own")
    faq_kb_path: Path | None = Field(None, description="File that fills {FAQ_KB} in instructions")
    prompts_table_name: str | None = Field(None, description="DynamoDB table with the item id=system, field content")
    faq_table_name: str | None = Field(None, description="DynamoDB table of question and answer, at most 200 items")
    call_logs_table_name: str | None = Field(None, description="DynamoDB table that gets a line for every turn")
    tasks_table_name: str | None = Field(None, description="DynamoDB table of the booking desk's tasks")
    aws_region: str = Field("us-east-1", description="Region of the DynamoDB tables")
    aws_endpoint_url: ApiBaseUrl | None = Field(None, description="Where DynamoDB is, if not at Amazon")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        given = (self.openai_api_key, self.orchestrator_api_key, self.orchestrator_database_url)
        return (*(each.get_secret_value() for each in given if each is not None), *self._secrets_of_tools(os.environ))

    def tools(self) -> ToolsFile:
        """What the file of tools says; nothing without one. Raises `ConfigError` with what is wrong in it."""
        beside = self.orchestrator_agent_profiles / FILE_NAME
        if self.orchestrator_tools is None:
            return load_tools_file(beside) if beside.is_file() else ToolsFile()
        try:
            return load_tools_file(self.orchestrator_tools)
        except ConfigError as error:
            raise ConfigError(f"ORCHESTRATOR_TOOLS: {error}") from None

    def _secrets_of_tools(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """What tools send along: keys of services, mostly."""
        return tuple(environ[name] for name in self.tools().variables if environ.get(name))
