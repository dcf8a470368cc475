"""`python -m orchestrator`: one replica of the orchestrator."""

from common import lifecycle
from common.settings import load
from orchestrator.bootstrap import build
from orchestrator.settings import PREFIXES, OrchestratorSettings


def main() -> None:
    """Read the settings and run until told to end."""
    lifecycle.run(
        lambda: load(OrchestratorSettings, PREFIXES), build, ops_port=lambda settings: settings.orchestrator_ops_port
    )


if __name__ == "__main__":
    main()
