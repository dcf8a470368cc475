"""Where instructions or answers come from, and what can be wrong there."""

from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """A file or a table that is read again and again."""

    label: str
    """For metrics: which kind of knowledge from which kind of place."""
    setting: str
    """The operator's name for where it is."""
    every_s: float
    """How often it is read."""
    is_local: bool
    """True if what is missing now will not come by waiting."""

    async def read(self) -> T_co | None:
        """What it holds now; None: nothing new since the last reading that worked.

        Raises `StorageUnavailable` if it is away, `ConfigError` if what it holds cannot be used.
        """
        ...
