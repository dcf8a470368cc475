"""What every control message has in common, and the one way to read any of them."""

from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from common.errors import RemoteProtocolError

M = TypeVar("M")


class Message(BaseModel):
    """A frozen message. Readers ignore fields they do not know, so newer writers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1

    def encode(self) -> bytes:
        """The message as it travels."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read one message. Raises `RemoteProtocolError`, which never quotes the content."""
        return decode_as(TypeAdapter(cls), data)


def decode_as(adapter: TypeAdapter[M], data: bytes) -> M:
    """Read a message of a union. Raises `RemoteProtocolError`, which names fields but never quotes the content."""
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in each["loc"]) or "body" for each in error.errors()})
        raise RemoteProtocolError(f"malformed message: {', '.join(fields)[:200]}") from None
