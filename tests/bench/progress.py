"""Tells whoever waits how far the benchmark is, on stderr."""

import sys


def say(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)
