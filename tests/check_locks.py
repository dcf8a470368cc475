"""Checks that the locks are what `make lock` writes and still fit every pyproject.toml; part of `make check`.

Nothing is resolved anew, so it works offline and does not fail because somebody released something. A lock must hold
names, exact versions and hashes but no index address (mirrors differ), must hold every declared dependency in a version
that satisfies the declaration, and a member's lock must agree with the root's.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
REMEDY = "run `make lock`"

_OURS = "trunkline-"
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked version; several of a name differ by their markers."""

    name: str
    version: str
    marker: str


def faults_of(root: Path) -> Iterator[str]:
    """Everything that is wrong with the locks of the workspace at `root`, one sentence each."""
    manifest = _manifest(root)
    groups = manifest.get("dependency-groups", {}).values()
    declared = [*manifest["project"]["dependencies"], *(each for group in groups for each in group)]
    root_pins, unreadable = read(root / "requirements.lock")
    yield from unreadable
    yield from unsatisfied("requirements.lock", declared, root_pins)
    for member in manifest["tool"]["uv"]["workspace"]["members"]:
        lock = f"{member}/requirements.lock"
        if not (root / lock).is_file():
            yield f"{lock} is missing"
            continue
        pins, unreadable = read(root / lock)
        yield from unreadable
        yield from unsatisfied(lock, _declared_by(root, member), pins)
        yield from unsatisfied("requirements.lock", _declared_by(root, member), root_pins)
        yield from disagreements(lock, pins, root_pins)


def read(lock: Path) -> tuple[list[Pin], list[str]]:
    """The pins of a lock file, and what in it is no pin with hashes."""
    where = f"{lock.parent.name}/{lock.name}"
    pins, faults = [], []
    for entry in re.sub(r"\\\n\s*", " ", lock.read_text("utf-8")).splitlines():
        if not entry.strip():
            continue
        wanted, *hashes = entry.split(" --hash=")
        pin = _pin(wanted.strip())
        if pin is None:
            faults.append(f"{where}: {wanted.strip()[:80]!r} is no exact version without an address")
        elif not hashes or not all(_HASH.fullmatch(f"--hash={each.strip()}") for each in hashes):
            faults.append(f"{where}: {pin.name} has no sha256 hash")
        else:
            pins.append(pin)
    return pins, faults


def _pin(text: str) -> Pin | None:
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return None
    exact = [each.version for each in wanted.specifier if each.operator == "==" and "*" not in each.version]
    if wanted.url or len(exact) != 1 or len(wanted.specifier) != 1:
        return None
    return Pin(canonicalize_name(wanted.name), exact[0], str(wanted.marker or ""))


def unsatisfied(lock: str, declared: Iterable[str], pins: Iterable[Pin]) -> Iterator[str]:
    """Declared dependencies that the lock lacks, or holds in a version that does not satisfy the declaration."""
    for text in declared:
        wanted = Requirement(text)
        if wanted.name.startswith(_OURS):
            continue
        found = [pin for pin in pins if pin.name == canonicalize_name(wanted.name)]
        if not found:
            yield f"{lock} lacks {text}"
        for pin in found:
            if not wanted.specifier.contains(pin.version, prereleases=True):
                yield f"{lock} has {pin.name} {pin.version}, but {text} is declared"


def disagreements(lock: str, pins: Iterable[Pin], root_pins: Iterable[Pin]) -> Iterator[str]:
    """Versions of a member's lock that the root's lock does not have: what is tested would not be what is shipped."""
    versions: dict[str, set[str]] = {}
    for pin in root_pins:
        versions.setdefault(pin.name, set()).add(pin.version)
    for pin in pins:
        if pin.version not in versions.get(pin.name, set()):
            known = ", ".join(sorted(versions.get(pin.name, {"nothing"})))
            yield f"{lock} has {pin.name} {pin.version}, but requirements.lock has {known}"


def _declared_by(root: Path, member: str) -> list[str]:
    """What a member needs from outside, its dependencies among ours included."""
    open_ends, seen, declared = [member], {member}, []
    while open_ends:
        project = _manifest(root / open_ends.pop())["project"]
        for text in project["dependencies"]:
            ours = _folder_of(root, canonicalize_name(Requirement(text).name))
            if ours is None:
                declared.append(text)
            elif ours not in seen:
                seen.add(ours)
                open_ends.append(ours)
    return declared


def _folder_of(root: Path, name: str) -> str | None:
    members = _manifest(root)["tool"]["uv"]["workspace"]["members"]
    return next((each for each in members if _manifest(root / each)["project"]["name"] == name), None)


def _manifest(folder: Path) -> Mapping[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def main() -> int:
    """Print what is wrong, and what to do about it; 1 if anything is."""
    faults = sorted(set(faults_of(ROOT)))
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print(f"The locks are out of step with pyproject.toml: {REMEDY}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
