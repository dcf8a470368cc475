"""Who may import whom: the arrows between our packages, and what keeps the cores pure."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("libs/*/src"), *ROOT.glob("services/*/src")]
SERVICES = {path.name for path in ROOT.glob("services/*/src/*") if path.is_dir() and not path.name.endswith("-info")}
OURS = SERVICES | {"common", "simulators", "talker", "trunkline"}

MAY_IMPORT: dict[str, set[str]] = {
    "common": {"common"},
    "talker": {"talker", "common"},
    "simulators": {"simulators"},
    "trunkline": {"trunkline", "common", *SERVICES},
    "edge": {"edge", "common"},
    **{service: {service, "common", "talker"} for service in SERVICES if service != "edge"},
}
"""Simulators are separate processes reached over the network: nobody imports them, they import nobody."""

IMPURE = {"asyncio", "nats", "websockets", "picows", "fastapi", "logging", "time"}


@lru_cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for source in SOURCES:
        for path in source.rglob("*.py"):
            parts = path.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@lru_cache
def imports(module: str) -> frozenset[str]:
    """What a module imports, by full name: modules, and names of packages that may be modules."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return frozenset(_imports(ast.parse(path.read_text()), package))


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            name = ".".join(part for part in (base, node.module) if part)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def reached(module: str) -> dict[str, str]:
    """Every module of ours that comes with `module`, and by way of which."""
    way = {module: module}
    open_ends = [module]
    while open_ends:
        here = open_ends.pop()
        for name in imports(here):
            parents = (name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1))
            for each in parents:
                if each in modules() and each not in way:
                    way[each] = f"{way[here]} > {each}"
                    open_ends.append(each)
    return way


def _top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("package", sorted(OURS))
def test_a_package_imports_only_whom_it_may(package: str) -> None:
    members = [module for module in modules() if _top(module) == package]
    assert members
    wrong = {
        f"{module} imports {name}"
        for module in members
        for name in imports(module)
        if _top(name) in OURS - MAY_IMPORT[package]
    }
    assert not wrong


def test_every_source_folder_is_one_of_our_packages() -> None:
    assert {_top(module) for module in modules()} == OURS


CORES = sorted(module for module in modules() if "core" in module.split("."))


def test_every_service_that_has_a_core_is_seen() -> None:
    assert {"edge", "realtime_worker"} <= {_top(module) for module in CORES}


@pytest.mark.parametrize("module", CORES)
def test_a_core_neither_waits_nor_talks_nor_looks_at_the_clock(module: str) -> None:
    """Not even by way of what it imports: so an hour of call runs in milliseconds of test."""
    wrong = {
        f"{way} > {name}" for each, way in reached(module).items() for name in imports(each) if _top(name) in IMPURE
    }
    assert not wrong


def test_the_command_line_starts_simulators_by_module_name_only() -> None:
    named = {
        node.value
        for module, path in modules().items()
        if _top(module) == "trunkline"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("simulators.")
    }
    assert named
    assert named <= {name.removesuffix(".__main__") for name in modules() if name.endswith(".__main__")}
