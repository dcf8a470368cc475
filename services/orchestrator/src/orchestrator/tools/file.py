"""The file that says where tools come from: its tables, and every mistake in them named."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.agents import ToolName
from common.errors import ConfigError
from common.settings import whole_url
from orchestrator.core.addresses import is_literal, is_loopback, is_public
from orchestrator.core.tool_output import MOST_BYTES

FILE_NAME: Final = "tools.toml"
"""Beside the agent profiles."""
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
_HEADER: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
_FILLERS_AT_MOST: Final = 300

T = TypeVar("T", bound="_Table")


def _plain_url(url: str) -> str:
    parts = whole_url(url)
    if parts is None:
        raise ValueError("must be an https:// URL")
    if parts.username is not None or parts.fragment:
        raise ValueError("must hold no user, password or #fragment: give secrets as headers")
    return url


Url = Annotated[str, Field(max_length=2_000), AfterValidator(_plain_url)]
FillerText = Annotated[str, Field(max_length=_FILLERS_AT_MOST)]
Fillers = FillerText | dict[Annotated[str, Field(pattern="^[a-z]{2}$")], FillerText]
Header = Annotated[str, Field(pattern=_HEADER, max_length=100)]
HeaderValue = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[\x20-\x7e]+$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Rules(_Table):
    """What may be said about any tool in place of its own."""

    timeout_s: float | None = Field(None, gt=0, le=300, allow_inf_nan=False)
    filler: Fillers | None = None
    """What callers hear while it takes longer; one text, or one for each language."""
    confirm: bool | None = None
    """The caller has to say yes first; not said: only if it moves money."""
    per_call: int | None = Field(None, ge=1, le=100)
    output_bytes: int | None = Field(None, ge=256, le=MOST_BYTES)


class PythonTable(_Table):
    """A module of `@tool` functions."""

    module: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
    tools: dict[ToolName, Rules] = Field(default_factory=dict)


class _Remote(_Table):
    headers: dict[Header, HeaderValue] = Field(default_factory=dict)
    """Values may name environment variables, as `Bearer ${SHOP_TOKEN}`."""
    allow_http: bool = False
    """The URL may be http://, to this machine only."""

    @model_validator(mode="after")
    def _keeps_secrets_out(self) -> Self:
        for name, value in self.headers.items():
            if name.lower() in _SECRET_HEADERS and not _VARIABLE.search(value):
                raise ValueError(f"headers.{name}: name the environment variable that holds it, as ${{NAME}}")
        return self


class HttpTable(_Remote, Rules):
    """One endpoint that is a tool."""

    name: ToolName
    description: str = Field(min_length=1, max_length=1_024)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: Url
    """`{argument}` in its path stands for an argument; the others go into the query, or the body as JSON."""
    tool_class: Literal["read", "write", "money"] = Field(alias="class")
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    response_bytes: int = Field(65_536, ge=1_024, le=1_048_576)


class McpTool(Rules):
    """One tool of an MCP server; nothing of the server is offered that is not named."""

    tool_class: Literal["read", "write", "money"] = Field(alias="class")
    remote_name: str | None = Field(None, min_length=1, max_length=128)
    """What the server calls it, if otherwise."""
    description: str | None = Field(None, min_length=1, max_length=1_024)
    """In place of the server's own, which others could change."""


class McpTable(_Remote):
    """An MCP server: a program that is started, or an address."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")
    command: str | None = Field(None, min_length=1)
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    """Its environment beside PATH, HOME and the like; values may name variables, as `${CRM_TOKEN}`."""
    url: Url | None = None
    tools: dict[ToolName, McpTool] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give command, or url")
        if self.url is None and self.headers:
            raise ValueError("headers are for a server with a url; a command has env")
        return self


class NetworkTable(_Table):
    """Where tools may go."""

    hosts: list[str] = Field(default_factory=list)
    private_hosts: list[str] = Field(default_factory=list)
    """Those that may be at private addresses."""


class LimitsTable(_Table):
    """Of one call, over all its tools."""

    per_call: int = Field(30, ge=1, le=1_000)
    per_minute: int = Field(10, ge=1, le=1_000)
    money_per_call: int = Field(1, ge=0, le=100)


@dataclass(frozen=True, slots=True)
class ToolsFile:
    """What is in it. `source` is named in errors."""

    source: str = "tools"
    python: tuple[PythonTable, ...] = ()
    http: tuple[HttpTable, ...] = ()
    mcp: tuple[McpTable, ...] = ()
    network: NetworkTable = field(default_factory=NetworkTable)
    limits: LimitsTable = field(default_factory=LimitsTable)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables it names, each once."""
        remote = [value for table in (*self.http, *self.mcp) for value in table.headers.values()]
        started = [value for table in self.mcp for value in table.env.values()]
        return tuple(dict.fromkeys(name for value in (*remote, *started) for name in _VARIABLE.findall(value)))

    def filled(self, given: Mapping[str, str], environ: Mapping[str, str], where: str) -> dict[str, str]:
        """`given` with variables in place. Raises `ConfigError` naming the first that is not set."""
        for value in given.values():
            for name in _VARIABLE.findall(value):
                if not environ.get(name):
                    raise ConfigError(f"{self.source}: {where}: wants {name}, which is not set")
        return {key: _VARIABLE.sub(lambda found: environ[found[1]], value) for key, value in given.items()}


def load_tools_file(file: Path) -> ToolsFile:
    """Read `file`. Raises `ConfigError` with the file, the table and the key."""
    try:
        return parse_tools_file(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {type(error).__name__}") from None


def parse_tools_file(text: str, source: str) -> ToolsFile:
    """The tools `text` names. Raises `ConfigError`; no value is repeated in it."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not TOML: {error}") from None
    known = ("python", "http", "mcp", "network", "limits")
    for name in tables:
        if name not in known:
            raise ConfigError(f"{source}: {name} is no table of this file; there are: {', '.join(known)}")
    read = ToolsFile(
        source,
        tuple(_tables(tables, "python", PythonTable, source)),
        tuple(_tables(tables, "http", HttpTable, source)),
        tuple(_tables(tables, "mcp", McpTable, source)),
        _read(tables.get("network", {}), NetworkTable, f"{source}: [network]"),
        _read(tables.get("limits", {}), LimitsTable, f"{source}: [limits]"),
    )
    _check_places(read)
    return read


def _tables(tables: Mapping[str, Any], kind: str, of: type[T], source: str) -> Iterator[T]:
    given = tables.get(kind, [])
    if not isinstance(given, list):
        raise ConfigError(f"{source}: write [[{kind}]], one table for each")
    for number, table in enumerate(given, 1):
        yield _read(table, of, f"{source}: [[{kind}]] {number}")


def _read(table: object, of: type[T], where: str) -> T:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a table")
    try:
        return of.model_validate(table)
    except ValidationError as error:
        fault: Any = error.errors(include_input=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        why = (
            "is no key of this table"
            if fault["type"] == "extra_forbidden"
            else fault["msg"].removeprefix("Value error, ")
        )
        raise ConfigError(f"{where}: {key}: {why}" if key else f"{where}: {why}") from None


def _check_places(read: ToolsFile) -> None:
    for number, endpoint in enumerate(read.http, 1):
        _check_place(endpoint.url, endpoint.allow_http, read.network, f"{read.source}: [[http]] {number}: url")
    for number, server in enumerate(read.mcp, 1):
        if server.url is not None:
            _check_place(server.url, server.allow_http, read.network, f"{read.source}: [[mcp]] {number}: url")
        if server.name in (other.name for other in read.mcp[: number - 1]):
            raise ConfigError(f"{read.source}: [[mcp]] {number}: name: another server is called that")


def _check_place(url: str, allow_http: bool, network: NetworkTable, where: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not (allow_http and is_loopback(host)):
        raise ConfigError(f"{where}: must be https://; http:// is for this machine itself, with allow_http = true")
    if host not in (*network.hosts, *network.private_hosts):
        raise ConfigError(f"{where}: {host} is not among the hosts of [network]")
    if parts.scheme == "https" and is_literal(host) and not is_public(host) and host not in network.private_hosts:
        raise ConfigError(f"{where}: {host} is a private address and not among the private_hosts of [network]")
