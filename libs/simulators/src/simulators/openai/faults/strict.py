"""The base of everything that is written in scripts and postings: unknown fields are refused."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Frozen, and closed to fields it does not declare."""

    model_config = ConfigDict(extra="forbid", frozen=True)
