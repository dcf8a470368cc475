"""Logs: one line an event, redacted at the formatter, so no secret, number or spoken word can pass."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

_FIELDS: Final = "fields"
_MORE_DIGITS: Final = r"\d(?:[ \u00a0().\-/\u2010-\u2015\u2212\uff0d]{0,2}\d){6,}"
_PHONE: Final = re.compile(
    rf"(?:\+|%2B){_MORE_DIGITS}"  # international: a number whatever stands around it
    rf"|(?<![A-Za-z0-9_-]){_MORE_DIGITS}(?![A-Za-z0-9_-])"  # bare: not within an id such as CA…, edge-…, a UUID
    rf"|(?<![A-Za-z0-9_-]){_MORE_DIGITS}(?=x\d|ext)",
    re.IGNORECASE,
)
_NOISY: Final = (
    "aiobotocore",
    "aiosqlite",
    "alembic",
    "asyncio",
    "botocore",
    "httpx2",
    "mcp",
    "nats",
    "openai",
    "picows",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.error",
)
"""Libraries that say more than we want at `debug` and `info`: some whole requests, with the words in them."""
_IP_ADDRESS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_KEY: Final = re.compile(
    r"\b(?:[se]k[-_][\w-]{8,}|whsec_\S+|bearer\s+\S+|basic\s+[a-z0-9+/=]{12,})|(?<=://)[^\s/@]+(?=@)",
    re.IGNORECASE,
)


def get(name: str) -> logging.Logger:
    """The logger of a module. Give facts as fields: `log.info("call admitted", extra=fields(call=call_id))`."""
    return logging.getLogger(f"trunkline.{name}")


def fields(**values: str | int | float | bool | None) -> dict[str, object]:
    """Bounded facts beside the message, for `extra=`."""
    return {_FIELDS: values}


class Redactor:
    """Removes the secrets it was told of, keys and phone numbers from any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(sorted((each for each in secrets if len(each) >= 6), key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return _PHONE.sub(_number, _KEY.sub("[secret]", text))


def _number(found: re.Match[str]) -> str:
    return found[0] if _IP_ADDRESS.fullmatch(found[0]) else "[number]"


class _Formatter(logging.Formatter):
    def __init__(self, service: str, redact: Redactor) -> None:
        super().__init__()
        self._service = service
        self._redact = redact

    def _parts(self, record: logging.LogRecord) -> dict[str, object]:
        values: dict[str, object] = dict(getattr(record, _FIELDS, {}))
        if record.exc_info and record.exc_info[1] is not None:
            values["error"] = type(record.exc_info[1]).__name__
            values["at"] = _where(record.exc_info[1])
        return {key: self._shown(value) for key, value in values.items()}

    def _shown(self, value: object) -> object:
        return value if isinstance(value, int | float | None) else self._redact(str(value))


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON. Exceptions are named with their place, never printed with their values."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {
            "time": time,
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
        }
        return json.dumps({**head, "message": self._redact(record.getMessage()), **self._parts(record)})


class TextFormatter(_Formatter):
    """`service level message key=value …` for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one readable line."""
        pairs = "".join(f" {key}={value}" for key, value in self._parts(record).items())
        return f"{self._service} {record.levelname.lower()}: {self._redact(record.getMessage())}{pairs}"


def _where(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_globals.get('__name__', '?')}:{frame.tb_lineno}" if frame else "?"


def configure(service: str, level: str, style: str, secrets: Iterable[str] = ()) -> None:
    """Send every log line of this process to stderr in the given style (`json` or `text`), redacted."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonFormatter if style == "json" else TextFormatter
    handler.setFormatter(formatter(service, Redactor(secrets)))
    logging.raiseExceptions = False  # a record that cannot be formatted would be printed with its arguments, unredacted
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
