"""`python -m tests.chaos`: makes the tests' own packages importable as in the test suite, then runs the command."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaos.command import run

if __name__ == "__main__":
    sys.exit(run())
