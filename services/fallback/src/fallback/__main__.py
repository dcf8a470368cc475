"""`python -m fallback`: one replica of the fallback service."""

from common import lifecycle
from common.settings import load
from fallback.bootstrap import build
from fallback.settings import PREFIX, FallbackSettings


def main() -> None:
    """Read the settings and run until told to end."""
    lifecycle.run(lambda: load(FallbackSettings, PREFIX), build, ops_port=lambda settings: settings.fallback_ops_port)


if __name__ == "__main__":
    main()
