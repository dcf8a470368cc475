"""Entry point: runs the command and turns every failure into one line and an exit code."""

import logging
import os
import sys

import click

from common.errors import ConfigError, TrunklineError
from common.lifecycle import EXIT_CONFIG
from trunkline.cli import cli
from trunkline.output import complain

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run one command; does not return. Exit 0 well, 1 failed, 2 wrong usage or settings, 130 interrupted."""
    logging.getLogger("trunkline").addHandler(logging.NullHandler())
    logging.getLogger("nats").addHandler(logging.NullHandler())
    sys.exit(_run())


def _run() -> int:
    try:
        result = cli.main(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except Exception as error:
        if os.environ.get("TRUNKLINE_TRACEBACK"):
            raise
        return _explain(_innermost(error))


def _innermost(error: Exception) -> Exception:
    """The one error a group of tasks was ended by."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explain(error: Exception) -> int:
    """Say what went wrong, in one line. Returns the exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return error.exit_code
        case click.ClickException():
            complain(error.format_message())
            return error.exit_code
        case ConfigError():
            complain(str(error))
            return EXIT_CONFIG
        case BrokenPipeError():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - so that the interpreter's last flush stays silent
        case TrunklineError() | OSError():
            complain(str(error))
        case _:
            complain(f"{type(error).__name__}: {error} (a bug; TRUNKLINE_TRACEBACK=1 shows where)")
    return 1


if __name__ == "__main__":
    main()
