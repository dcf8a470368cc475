"""Which file says where tools come from, and that its secrets are known to the log."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from orchestrator.settings import OrchestratorSettings

SERVER = '[[mcp]]\nname = "crm"\ncommand = "a"\nenv = { T = "${CRM_TOKEN}" }\n[mcp.tools.find]\nclass = "read"\n'


def test_without_a_file_there_are_no_tools_to_gather(tmp_path: Path) -> None:
    assert OrchestratorSettings(orchestrator_agent_profiles=tmp_path).tools().mcp == ()


def test_the_file_beside_the_profiles_is_read_unless_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text(SERVER)
    (tmp_path / "other.toml").write_text("")
    beside = OrchestratorSettings(orchestrator_agent_profiles=tmp_path)
    named = OrchestratorSettings(orchestrator_agent_profiles=tmp_path, orchestrator_tools=tmp_path / "other.toml")
    assert [server.name for server in beside.tools().mcp] == ["crm"]
    assert named.tools().mcp == ()


def test_a_file_that_is_named_and_not_there_names_the_setting(tmp_path: Path) -> None:
    settings = OrchestratorSettings(orchestrator_tools=tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match=r"ORCHESTRATOR_TOOLS: .*gone\.toml: cannot be read"):
        settings.tools()


def test_what_tools_send_along_is_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tools.toml").write_text(SERVER)
    monkeypatch.setenv("CRM_TOKEN", "t0ken-of-the-crm")
    assert "t0ken-of-the-crm" in OrchestratorSettings(orchestrator_agent_profiles=tmp_path).secrets
