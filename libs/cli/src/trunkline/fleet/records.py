"""Asks the orchestrator for the records of calls."""

import http.client
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError

from common.errors import ConfigError, TrunklineError, UpstreamUnavailable
from common.settings import whole_url
from orchestrator.records.answers import CallPage, CallRecord, Erasure
from trunkline.stack import environment, state_file
from trunkline.stack.environment import DEFAULT_ORCHESTRATOR_PORT

_WITHIN_S: Final = 15.0
_LARGEST_ANSWER: Final = 64 * 1024**2
_KEY: Final = "ORCHESTRATOR_API_KEY"

A = TypeVar("A", bound=BaseModel)


def find(url: str | None) -> "Records | None":
    """The API at `url`, else of the stack that runs here; None if no address is given and there is no key to ask with.

    Raises `ConfigError` saying what is missing.
    """
    values = environment.read(os.environ, Path(".env"), is_required=False)
    key, state = values.get(_KEY), state_file.running()
    if state is not None and state.records_url and url is None:
        url, key = state.records_url, key or state.records_key
    if key is None and url is None:
        return None
    if key is None:
        raise ConfigError(f"{_KEY} is not set: the orchestrator shows records to nobody without it")
    port = environment.port_of(values, "ORCHESTRATOR_PORT", DEFAULT_ORCHESTRATOR_PORT)
    return Records(url or f"http://127.0.0.1:{port}", key)


def needed(url: str | None) -> "Records":
    """The same, where nothing else will do."""
    records = find(url)
    if records is None:
        raise ConfigError(
            f"records of calls are the orchestrator's: set {_KEY} as it has it, and --url if it is elsewhere"
        )
    return records


class Records:
    """The API of one orchestrator. Never follows a redirect: the key is for this host."""

    def __init__(self, url: str, key: str) -> None:
        """Raises `ConfigError` if `url` is none."""
        parts = whole_url(url)
        if parts is None or "@" in parts.netloc:
            raise ConfigError("--url: must be an http:// or https:// URL without a user")
        self._is_tls = parts.scheme == "https"
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._where = f"{parts.scheme}://{parts.netloc}"
        self._key = key

    def page(self, query: Mapping[str, str]) -> CallPage:
        """The newest calls. Raises `TrunklineError` saying what to do."""
        return self._read(CallPage, "GET", f"/calls?{urlencode(query)}")

    def record(self, call_id: str) -> CallRecord:
        """Everything about one call. Raises `TrunklineError` saying what to do."""
        return self._read(CallRecord, "GET", f"/calls/{quote(call_id, safe='')}")

    def erase_caller(self, number: str) -> Erasure:
        """Delete a caller's words and numbers. Raises `TrunklineError` saying what to do."""
        return self._read(Erasure, "DELETE", f"/callers/{quote(number, safe='')}")

    def _read(self, kind: type[A], method: str, path: str) -> A:
        status, body = self._ask(method, path)
        if status != http.client.OK:
            raise self._refusal(status, body)
        try:
            return kind.model_validate_json(body)
        except ValidationError:
            raise TrunklineError(f"what answers at {self._where} is not an orchestrator of this version") from None

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        make = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = make(self._host, self._port, timeout=_WITHIN_S)
        try:
            connection.request(method, self._path + path, headers={"Authorization": f"Bearer {self._key}"})
            answer = connection.getresponse()
            return answer.status, answer.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise UpstreamUnavailable(
                f"the orchestrator at {self._where} does not answer: see that it runs and has {_KEY}, "
                "or say where it is with --url (or ORCHESTRATOR_PORT)"
            ) from error
        finally:
            connection.close()

    def _refusal(self, status: int, body: bytes) -> TrunklineError:
        match status:
            case http.client.UNAUTHORIZED:
                return ConfigError(f"the orchestrator at {self._where} has another {_KEY}")
            case http.client.NOT_FOUND:
                return TrunklineError("there is no record of such a call: `trunkline calls` lists those there are")
            case http.client.UNPROCESSABLE_ENTITY:
                return TrunklineError(f"the orchestrator does not understand this: {_complaint(body)}")
            case http.client.SERVICE_UNAVAILABLE:
                return UpstreamUnavailable(
                    "the orchestrator's database is away: try again; `trunkline calls --live` goes"
                )
            case _:
                return TrunklineError(f"the orchestrator at {self._where} answers {status}: its log says why")


def _complaint(body: bytes) -> str:
    """What FastAPI says is wrong, without what was given."""
    try:
        detail: Any = json.loads(body)["detail"]
        return str(detail if isinstance(detail, str) else detail[0]["msg"])
    except (ValueError, KeyError, IndexError, TypeError):
        return "no reason given"
