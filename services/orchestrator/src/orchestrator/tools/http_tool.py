"""An HTTP endpoint as a tool: one request, no redirects, no second attempt, an answer that is read only so far."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from yarl import URL

from common.errors import ConfigError
from orchestrator.core.tool_schema import SchemaUnusable, usable
from orchestrator.tools.context import ToolContext
from orchestrator.tools.destinations import GuardedResolver
from orchestrator.tools.file import HttpTable
from orchestrator.tools.tool import OutcomeUnknown, ToolError

_CONNECT_WITHIN_S: Final = 5.0
_TOLD_OF_REFUSAL_BYTES: Final = 1_000
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_SCALARS: Final = ("string", "integer", "number", "boolean")
_WITH_BODY: Final = ("POST", "PUT", "PATCH")


class HttpClient:
    """The connections of all HTTP tools. `open` it within the loop, `close` it at the end."""

    def __init__(self, private_hosts: Collection[str]) -> None:
        self._private_hosts = private_hosts
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """A connection for each request: on one that is kept, aiohttp would send some requests a second time."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=GuardedResolver(self._private_hosts), use_dns_cache=False, force_close=True, limit=64
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_WITHIN_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "trunkline"},
        )

    async def close(self) -> None:
        """End every connection."""
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Raises `ToolError` before `open`."""
        if self._session is None:
            raise ToolError("The service cannot be reached at the moment.")
        return self._session


class HttpBody:
    """One endpoint. Raises `ConfigError` if URL and schema do not fit each other."""

    def __init__(self, table: HttpTable, headers: Mapping[str, str], client: HttpClient, where: str) -> None:
        self._table, self._headers, self._client = table, headers, client
        try:
            self.parameters = usable(table.parameters)
        except SchemaUnusable as error:
            raise ConfigError(f"{where}: parameters: {error}") from None
        self._places = _places(table.url, self.parameters, where)

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """A dot or nothing in a path would lead to another endpoint."""
        bad = [name for name in self._places if str(arguments.get(name, "")) in ("", ".", "..")]
        return f"{bad[0]}: cannot be empty or dots" if bad else None

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> object:
        """One request. What was not answered in full may have been carried out: `OutcomeUnknown`."""
        rest = {name: value for name, value in arguments.items() if name not in self._places}
        has_body = self._table.method in _WITH_BODY
        headers = {**self._headers, "Idempotency-Key": context.idempotency_key}
        try:
            async with self._client.session.request(
                self._table.method,
                URL(self._url(arguments, {} if has_body else rest), encoded=True),
                json=rest if has_body else None,
                headers=headers,
                allow_redirects=False,
            ) as response:
                return await self._answer(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise ToolError("The service cannot be reached at the moment.") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise OutcomeUnknown from error

    def _url(self, arguments: Mapping[str, Any], query: Mapping[str, Any]) -> str:
        url = _PLACE.sub(lambda place: quote(_text(arguments[place[1]]), safe=""), self._table.url)
        if not query:
            return url
        pairs = [(name, _text(each)) for name, value in query.items() for each in _each(value)]
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(pairs)}"

    async def _answer(self, response: aiohttp.ClientResponse) -> object:
        if 300 <= response.status < 400:
            raise ToolError("The service answered with a redirect, which is not followed.")
        if response.status >= 500:
            raise OutcomeUnknown
        text = await self._text(response)
        if response.status >= 400:
            told = text[:_TOLD_OF_REFUSAL_BYTES] if response.content_type == "application/json" else ""
            raise ToolError(f"The service refuses it (HTTP {response.status}). {told}".strip())
        if response.content_type in ("text/html", "application/xhtml+xml"):
            raise OutcomeUnknown  # an error page, a login page, a captive portal: anything but an answer
        return _read(text)

    async def _text(self, response: aiohttp.ClientResponse) -> str:
        """The answer, as far as it is read; nothing is unpacked, so that little cannot become much."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise OutcomeUnknown
        read = bytearray()
        async for piece in response.content.iter_any():
            read += piece
            if len(read) > self._table.response_bytes:
                return bytes(read[: self._table.response_bytes]).decode("utf-8", "replace") + " […]"
        return bytes(read).decode("utf-8", "replace")


def _places(url: str, parameters: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The arguments that stand in the path."""
    parts = urlsplit(url)
    if "{" in parts.netloc or "{" in parts.query:
        raise ConfigError(f"{where}: url: arguments may stand in its path only")
    places = tuple(_PLACE.findall(parts.path))
    for name in places:
        described = parameters.get("properties", {}).get(name)
        if described is None or name not in parameters.get("required", ()) or described.get("type") not in _SCALARS:
            raise ConfigError(f"{where}: url: {{{name}}} must be a required argument of a plain type in parameters")
    return places


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _each(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _read(text: str) -> object:
    try:
        return json.loads(text) if text.strip() else "done"
    except (ValueError, RecursionError):
        return text
