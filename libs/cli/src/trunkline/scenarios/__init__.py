"""The scripts of the simulated call: who says what when."""

from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path


def path(name: str) -> AbstractContextManager[Path]:
    """A scenario as a file, for the simulator that reads it."""
    return as_file(files("trunkline.scenarios") / name)
