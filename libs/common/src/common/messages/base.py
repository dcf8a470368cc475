"""What every control message has in common, and the one way to read any of them."""

from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from common.errors import RemoteProtocolError

M = TypeVar("M")


class Message(BaseModel):
    """A frozen message. Readers ignore fields they do not know, so newer writers may add some.

    `decode` says so once more, for parts that refuse unknown fields where people write them (`AgentProfile`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1

    def encode(self) -> bytes:
        """The message as it travels."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read one message. Raises `RemoteProtocolError`, which never quotes the content."""
        try:
            return cls.model_validate_json(data, extra="ignore")
        except ValidationError as error:
            raise _malformed(error) from None


def decode_as(adapter: TypeAdapter[M], data: bytes) -> M:
    """Read a message of a union. Raises `RemoteProtocolError`, which never quotes the content."""
    try:
        return adapter.validate_json(data, extra="ignore")
    except ValidationError as error:
        raise _malformed(error) from None


def _malformed(error: ValidationError) -> RemoteProtocolError:
    """Which fields are wrong, not what was in them."""
    fields = sorted({".".join(str(part) for part in each["loc"]) or "body" for each in error.errors()})
    return RemoteProtocolError(f"malformed message: {', '.join(fields)[:200]}")
