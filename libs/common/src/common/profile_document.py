"""One YAML file of an agent profile, which remembers the line of each field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from common.errors import ConfigError

FieldPath = tuple[int | str, ...]

_MOST_BYTES: Final = 1024 * 1024


class ProfileDocument:
    """Read at once. Raises `ConfigError` with file and line if it is no mapping in YAML."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            text = _text(file)
            self._node = yaml.compose(text, Loader=yaml.SafeLoader)
            values: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(f"{file}:{line}: not YAML: {error.problem}") from None
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise ConfigError(f"{file}:1: cannot be read: {type(error).__name__}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{file}:1: expected fields such as name, greeting, instructions")
        self.values: Mapping[str, Any] = values

    def read_beside(self, field: str, name: object) -> str:
        """The text of the file that `field` names, beside this one. Raises `ConfigError`."""
        try:
            return _text(self.file.parent / str(name))
        except (OSError, ValueError) as error:
            raise self.mistake((field,), f"cannot be read: {type(error).__name__}") from None

    def mistake(self, path: FieldPath, why: str) -> ConfigError:
        """What to tell the operator about the field at `path`."""
        if path[:1] == ("instructions",) and "instructions_file" in self.values:
            path = ("instructions_file",)
        named = ".".join(str(part) for part in path)
        return ConfigError(f"{self.file}:{self._line(path)}: {named}: {why}")

    def _line(self, path: FieldPath) -> int:
        node = self._node
        line = 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = (node.value[part], node.value[part])
            else:
                found = None
            if found is None:
                continue  # a union's tag, or a field that is not there: its parent's line is the nearest
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def _text(file: Path) -> str:
    """Bounded: these files are watched, and any file can be put in their place."""
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError("longer than 1 MiB")
    return content.decode()
