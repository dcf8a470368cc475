"""An MCP server whose tools agents may use: kept connected, described by itself, believed in nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TextIO, cast
from urllib.parse import urlsplit

import httpx2
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolResult,
    RequestParamsMeta,
    TextContent,
)
from mcp_types import Tool as RemoteTool
from pydantic import ValidationError

from common import backoff, logs, metrics
from common.ending import end_tasks
from orchestrator.core.tool_rules import ToolClass, rules_of
from orchestrator.core.tool_schema import SchemaUnusable, usable
from orchestrator.tools.context import ToolContext
from orchestrator.tools.destinations import GuardedResolver
from orchestrator.tools.file import McpTable
from orchestrator.tools.overriding import with_rules
from orchestrator.tools.stream_end import noticing_end
from orchestrator.tools.tool import DESCRIPTION_AT_MOST, OutcomeUnknown, Tool, ToolError

log = logs.get("mcp")

_CONNECT_WITHIN_S: Final = 15.0
_LOOK_AGAIN_S: Final = 10.0
"""How often its tools are listed anew; a server that is reached over HTTP is found dead by that."""
_CLOSE_WITHIN_S: Final = 5.0
_PAGES_AT_MOST: Final = 20
_REFUSED: Final = (INVALID_PARAMS, METHOD_NOT_FOUND)
"""Errors that say that nothing was done."""
_FORGOTTEN: Final = "Session terminated"
"""What the SDK says for a server that answers 404 since it was started anew: nothing was done, and we connect again."""
_MESSAGE_AT_MOST: Final = 500
_KEY: Final = "trunkline.dev/idempotency-key"
AWAY: Final = "The service cannot be reached at the moment."


class McpServer:
    """`start` it within the loop; it connects, again and again, until `close`."""

    def __init__(
        self,
        table: McpTable,
        environ: Mapping[str, str],
        headers: Mapping[str, str],
        timeout_s: float,
        private_hosts: Collection[str] = (),
    ) -> None:
        self.name = table.name
        self._private_hosts = private_hosts
        self._table, self._environ, self._headers = table, environ, headers
        self._timeout_s = timeout_s
        self._tools = {name: self._tool(name, None) for name in table.tools}
        self._client: Client | None = None
        self._broken = asyncio.Event()
        self._closing = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._complained: set[str] = set()
        self._in_use = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Its tools, as agents call them."""
        return tuple(self._tools)

    def tool(self, name: str) -> Tool:
        """As described when the server was last there; before that, without a description."""
        return self._tools[name]

    def start(self) -> None:
        """Connect in the background."""
        self._work = asyncio.create_task(self._run(), name=f"mcp {self.name}")

    async def close(self) -> None:
        """Disconnect; a server that was started is ended."""
        self._closing.set()
        self._broken.set()
        if self._work is not None:
            await asyncio.wait({self._work}, timeout=_CLOSE_WITHIN_S)
            await end_tasks([self._work])

    async def call(self, remote_name: str, context: ToolContext, arguments: Mapping[str, Any]) -> object:
        """Use one of its tools. Raises `ToolError` if that surely did nothing, `OutcomeUnknown` if nobody can tell."""
        client = self._client
        if client is None or self._broken.is_set():
            raise ToolError(AWAY)
        self._in_use += 1
        try:
            meta = cast("RequestParamsMeta", {_KEY: context.idempotency_key})
            result = await client.call_tool(remote_name, dict(arguments), meta=meta)
        except MCPError as error:
            raise self._translated(error) from error
        except (ValidationError, RuntimeError) as error:  # it did something, and its answer is not what it promised
            raise OutcomeUnknown from error
        finally:
            self._in_use -= 1
        return _value(result)

    def _translated(self, error: MCPError) -> Exception:
        if error.code == CONNECTION_CLOSED or error.message == _FORGOTTEN:
            self._broken.set()
        if error.message == _FORGOTTEN:
            return ToolError(AWAY)
        if error.code in _REFUSED:
            return ToolError(f"The service refuses it: {error.message[:_MESSAGE_AT_MOST]}")
        return OutcomeUnknown()

    async def _run(self) -> None:
        delays = backoff.delays(0.2, 5.0)
        while not self._closing.is_set():
            try:
                await self._serve()
                delays = backoff.delays(0.2, 5.0)
            except Exception as error:  # whatever the SDK raises, often in groups, the server is not to be had
                self._complain("connection", type(error).__name__)
            await _came(self._closing, next(delays))

    async def _serve(self) -> None:
        """One connection, until it breaks or nobody wants it any more."""
        self._broken.clear()
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                client = await stack.enter_async_context(self._connected())
                await self._describe(client)
            self._client = client
            self._complained.discard("connection")
            metrics.MCP_SERVER_UP.labels(self.name).set(1)
            log.info("MCP server connected", extra=logs.fields(server=self.name))
            try:
                while not self._closing.is_set() and not await _came(self._broken, _LOOK_AGAIN_S):
                    if not self._in_use:  # some can do one thing at a time only
                        async with asyncio.timeout(_CONNECT_WITHIN_S):
                            await self._describe(client)
            finally:
                self._client = None
                self._broken.set()
                metrics.MCP_SERVER_UP.labels(self.name).set(0)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        if self._table.url is not None:
            parts = urlsplit(self._table.url)
            await GuardedResolver(self._private_hosts).resolve(parts.hostname or "", parts.port or 443)
            timeout = httpx2.Timeout(10.0, read=300.0)
            async with (
                httpx2.AsyncClient(headers=dict(self._headers), timeout=timeout, trust_env=False) as http,
                Client(streamable_http_client(self._table.url, http_client=http), cache=None) as client,
            ):
                yield client
        else:
            with _nowhere() as nowhere:
                transport = stdio_client(self._parameters(), errlog=nowhere)
                async with Client(noticing_end(transport, self._broken.set), cache=None) as client:
                    yield client

    def _parameters(self) -> StdioServerParameters:
        return StdioServerParameters(
            command=self._table.command or "", args=list(self._table.args), env=dict(self._environ)
        )

    async def _describe(self, client: Client) -> None:
        there_are = {each.name: each for each in await _listed(client)}
        for name, table in self._table.tools.items():
            remote = there_are.get(table.remote_name or name)
            if remote is None:
                self._complain(name, "the server has no such tool")
            self._tools[name] = self._tool(name, remote)

    def _tool(self, name: str, remote: RemoteTool | None) -> Tool:
        table = self._table.tools[name]
        parameters: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
        description = ""
        if remote is not None:
            try:
                parameters = usable(remote.input_schema, is_trusted=False)
                description = table.description or " ".join((remote.description or name).split())[:DESCRIPTION_AT_MOST]
            except SchemaUnusable as error:
                self._complain(name, str(error))
        made = Tool(
            name,
            description,
            parameters,
            rules_of(name, ToolClass(table.tool_class)),
            _McpBody(self, table.remote_name or name),
            timeout_s=self._timeout_s,
            is_outside=True,
        )
        return with_rules(made, table)

    def _complain(self, about: str, why: str) -> None:
        """Once, not every few seconds."""
        if about not in self._complained:
            self._complained.add(about)
            log.warning("MCP server", extra=logs.fields(server=self.name, about=about, why=why))


class _McpBody:
    def __init__(self, server: McpServer, remote_name: str) -> None:
        self._server, self._remote_name = server, remote_name

    def fault(self, _arguments: Mapping[str, Any]) -> str | None:
        return None

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> object:
        return await self._server.call(self._remote_name, context, arguments)


async def _came(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return False


async def _listed(client: Client) -> list[RemoteTool]:
    tools: list[RemoteTool] = []
    cursor: str | None = None
    for _ in range(_PAGES_AT_MOST):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            break
    return tools


def _value(result: CallToolResult) -> object:
    """What the server answered. Raises `ToolError` with its own words if it says that it failed."""
    text = "\n".join(each.text if isinstance(each, TextContent) else f"[{each.type}]" for each in result.content)
    if result.is_error:
        raise ToolError(f"The service says: {text[:_MESSAGE_AT_MOST]}")
    return text if result.structured_content is None else result.structured_content


def _nowhere() -> TextIO:
    """What a server writes to stderr may hold anything, and our own stderr is our log."""
    return open(os.devnull, "w", encoding="utf-8")
