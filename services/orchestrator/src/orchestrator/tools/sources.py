"""The tools of this installation: those built in, and those the file names."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from common.bus.connection import Bus
from common.errors import ConfigError
from orchestrator.core.tool_rules import ToolClass, rules_of
from orchestrator.tools.builtin import builtins
from orchestrator.tools.declaring import declared
from orchestrator.tools.file import HttpTable, PythonTable, ToolsFile
from orchestrator.tools.http_tool import HttpBody, HttpClient
from orchestrator.tools.overriding import with_rules
from orchestrator.tools.registry import Entry, Registry
from orchestrator.tools.tool import Tool

if TYPE_CHECKING:
    from orchestrator.tools.mcp_server import McpServer


@dataclass(frozen=True, slots=True)
class Sources:
    """The registry, and what has to be opened and closed for its tools."""

    registry: Registry
    http: HttpClient
    mcp: "tuple[McpServer, ...]"

    def open(self) -> None:
        """Within the loop, before the first tool runs."""
        self.http.open()
        for server in self.mcp:
            server.start()

    async def close(self) -> None:
        """End all connections."""
        for server in self.mcp:
            await server.close()
        await self.http.close()


def gather(file: ToolsFile, bus: Bus, environ: Mapping[str, str], timeout_s: float) -> Sources:
    """Everything. Raises `ConfigError` with the file and what is wrong in it, or the variable that is not set."""
    http = HttpClient(file.network.private_hosts)
    mcp = _servers(file, environ, timeout_s) if file.mcp else ()
    return Sources(Registry(_entries(file, http, mcp, bus, environ, timeout_s)), http, mcp)


def _servers(file: ToolsFile, environ: Mapping[str, str], timeout_s: float) -> "tuple[McpServer, ...]":
    from orchestrator.tools.mcp_server import McpServer  # takes a second to import, which most have no use for

    return tuple(
        McpServer(
            table,
            file.filled(table.env, environ, f"[[mcp]] {table.name}: env"),
            file.filled(table.headers, environ, f"[[mcp]] {table.name}: headers"),
            timeout_s,
            file.network.private_hosts,
        )
        for table in file.mcp
    )


def _entries(
    file: ToolsFile,
    http: HttpClient,
    mcp: "tuple[McpServer, ...]",
    bus: Bus,
    environ: Mapping[str, str],
    timeout_s: float,
) -> Iterator[Entry]:
    yield from (_fixed("built in", tool, timeout_s) for tool in builtins(bus))
    for number, python in enumerate(file.python, 1):
        where = f"{file.source}: [[python]] {number}"
        yield from (_fixed(where, tool, timeout_s) for tool in _of_module(python, where))
    for number, table in enumerate(file.http, 1):
        where = f"{file.source}: [[http]] {number}"
        headers = file.filled(table.headers, environ, f"[[http]] {number}: headers")
        yield _fixed(where, _of_endpoint(table, headers, http, where), timeout_s)
    for number, server in enumerate(mcp, 1):
        for name in server.names:
            yield Entry(f"{file.source}: [[mcp]] {number}", name, _Lookup(server, name))


def _fixed(source: str, tool: Tool, timeout_s: float) -> Entry:
    timed = replace(tool, timeout_s=tool.timeout_s or timeout_s)
    return Entry(source, tool.name, lambda: timed)


@dataclass(frozen=True, slots=True)
class _Lookup:
    server: "McpServer"
    name: str

    def __call__(self) -> Tool:
        return self.server.tool(self.name)


def _of_module(table: PythonTable, where: str) -> list[Tool]:
    try:
        module = importlib.import_module(table.module)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except Exception as error:  # importing runs whatever is written there
        raise ConfigError(f"{where}: module: cannot be imported: {type(error).__name__}: {error}") from None
    found = {tool.name: tool for thing in vars(module).values() if (tool := declared(thing)) is not None}
    if not found:
        raise ConfigError(f"{where}: module: there is no @tool in {table.module}")
    for name in table.tools:
        if name not in found:
            raise ConfigError(f"{where}: tools.{name}: there are: {', '.join(found)}")
    return [with_rules(tool, table.tools[name]) if name in table.tools else tool for name, tool in found.items()]


def _of_endpoint(table: HttpTable, headers: Mapping[str, str], http: HttpClient, where: str) -> Tool:
    body = HttpBody(table, headers, http, where)
    made = Tool(
        table.name,
        table.description,
        body.parameters,
        rules_of(table.name, ToolClass(table.tool_class)),
        body,
        is_outside=True,
    )
    return with_rules(made, table)
