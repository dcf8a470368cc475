"""The lock check: what it lets pass and what it complains of, on workspaces made for the purpose."""

from pathlib import Path

import pytest

import check_locks

HASH = "--hash=sha256:" + "0" * 64


def pinned(*pins: str) -> str:
    """A lock as `uv pip compile --generate-hashes` writes it."""
    return "".join(f"{pin} \\\n    {HASH} \\\n    {HASH}\n" for pin in pins)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A root with two members, one needing the other, all in step."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "trunkline-workspace"\ndependencies = ["trunkline-edge"]\n'
        '[dependency-groups]\ndev = ["pytest>=9"]\n'
        '[tool.uv.workspace]\nmembers = ["common", "edge"]\n'
    )
    _member(tmp_path, "common", '"pydantic>=2,<3"', "pydantic==2.14.0")
    _member(tmp_path, "edge", '"trunkline-common", "FastAPI>=0.163"', "fastapi==0.163.1", "pydantic==2.14.0")
    (tmp_path / "requirements.lock").write_text(
        pinned("fastapi==0.163.1", "pydantic==2.14.0", "pytest==9.2.0", "colorama==0.4.6 ; sys_platform == 'win32'")
    )
    return tmp_path


def _member(root: Path, name: str, dependencies: str, *pins: str) -> None:
    (root / name).mkdir()
    manifest = f'[project]\nname = "trunkline-{name}"\ndependencies = [{dependencies}]\n'
    (root / name / "pyproject.toml").write_text(manifest)
    (root / name / "requirements.lock").write_text(pinned(*pins))


def faults(root: Path) -> list[str]:
    return sorted(set(check_locks.faults_of(root)))


def test_locks_in_step_pass(workspace: Path) -> None:
    assert faults(workspace) == []


def test_the_repositorys_own_locks_pass() -> None:
    assert faults(check_locks.ROOT) == []


def test_a_dependency_that_is_not_locked_is_named(workspace: Path) -> None:
    (workspace / "requirements.lock").write_text(pinned("fastapi==0.163.1", "pydantic==2.14.0"))
    assert faults(workspace) == ["requirements.lock lacks pytest>=9"]


def test_a_dependency_of_a_member_must_be_in_its_own_lock_and_in_the_roots(workspace: Path) -> None:
    (workspace / "common" / "requirements.lock").write_text("")
    (workspace / "requirements.lock").write_text(pinned("fastapi==0.163.1", "pytest==9.2.0"))
    assert faults(workspace) == [
        "common/requirements.lock lacks pydantic>=2,<3",
        "edge/requirements.lock has pydantic 2.14.0, but requirements.lock has nothing",
        "requirements.lock lacks pydantic>=2,<3",
    ]


def test_a_locked_version_must_satisfy_the_declaration(workspace: Path) -> None:
    (workspace / "edge" / "requirements.lock").write_text(pinned("fastapi==0.100.0", "pydantic==2.14.0"))
    assert faults(workspace) == [
        "edge/requirements.lock has fastapi 0.100.0, but FastAPI>=0.163 is declared",
        "edge/requirements.lock has fastapi 0.100.0, but requirements.lock has 0.163.1",
    ]


def test_a_missing_lock_is_named(workspace: Path) -> None:
    (workspace / "edge" / "requirements.lock").unlink()
    assert faults(workspace) == ["edge/requirements.lock is missing"]


@pytest.mark.parametrize(
    "line",
    [
        f"--index-url https://mirror.example.com/simple {HASH}",
        f"fastapi @ https://mirror.example.com/fastapi.whl {HASH}",
        f"-e ./libs/common {HASH}",
        f"fastapi>=0.163 {HASH}",
        f"fastapi==0.* {HASH}",
        f"fastapi {HASH}",
    ],
)
def test_what_is_no_exact_version_without_an_address_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "requirements.lock").write_text(line + "\n")
    pins, complaints = check_locks.read(tmp_path / "requirements.lock")
    assert pins == []
    assert len(complaints) == 1
    assert "is no exact version without an address" in complaints[0]


@pytest.mark.parametrize("hashes", ["", " --hash=md5:" + "0" * 32, " --hash=sha256:short"])
def test_a_version_without_a_sound_hash_is_refused(tmp_path: Path, hashes: str) -> None:
    (tmp_path / "requirements.lock").write_text(f"fastapi==0.163.1{hashes}\n")
    pins, complaints = check_locks.read(tmp_path / "requirements.lock")
    assert pins == []
    assert complaints == [f"{tmp_path.name}/requirements.lock: fastapi has no sha256 hash"]


def test_a_complaint_ends_with_what_to_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_locks, "ROOT", workspace)
    assert check_locks.main() == 0
    (workspace / "edge" / "requirements.lock").unlink()
    assert check_locks.main() == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("run `make lock`")
