"""What every part of an agent profile is made of: strict and frozen, with text that fits a message of the bus."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Part(BaseModel):
    """People write these, so a field nobody knows is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


INSTRUCTIONS_BYTES_AT_MOST: Final = 65_536
"""They travel in one message of the bus, beside the conversation."""


def _fits_a_message(text: str) -> str:
    if len(text.encode()) > INSTRUCTIONS_BYTES_AT_MOST:
        raise ValueError("must not be longer than 64 KiB")
    return text


InstructionsText = Annotated[str, Field(min_length=1), AfterValidator(_fits_a_message)]
