"""The script of a simulated caller: a YAML list of steps, checked before anything is dialled."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, ValidationError, field_validator

from simulators.twilio.human import Human
from simulators.twilio.signature import SignatureFault
from simulators.twilio.steps import ENDS, AnyStep, Model, Step, Timeout


class ScriptError(ValueError):
    """A script that cannot be used; the message names file and field."""


class CallFaults(Model):
    """What is wrong with the main call from its beginning."""

    webhook_signature: SignatureFault = SignatureFault.GOOD
    socket_signature: SignatureFault = SignatureFault.GOOD
    media_before_start: bool = False
    # Replaces parameters of the TwiML; null drops one, so `{token: null}` is the missing token.
    parameters: Annotated[dict[str, str | None], Field(default_factory=dict)]


class Script(Model):
    """One caller's part. `tolerate` lists codes of protocol violations that do not spoil the call.

    `humans`: who is reached by `<Dial>`, one after the other; the last one by all that follow. None: one who answers.
    """

    name: str = "caller"
    max_call_ms: Timeout = 300_000
    tolerate: tuple[int, ...] = ()
    faults: Annotated[CallFaults, Field(default_factory=CallFaults)]
    humans: tuple[Human, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @field_validator("steps")
    @classmethod
    def _ends_are_last(cls, steps: tuple[AnyStep, ...]) -> tuple[AnyStep, ...]:
        early = [index for index, step in enumerate(steps[:-1]) if isinstance(step, ENDS)]
        if early:
            raise ValueError(f"step {early[0]} ends the call, but others follow")
        if not isinstance(steps[-1], ENDS):
            raise ValueError("the last step must be hangup, wait_for_end or vanish")
        return steps

    @classmethod
    def parse(cls, data: object, source: str = "script") -> Self:
        """Check a script already read from YAML; raise ScriptError naming `source` and the field."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ScriptError(f"{source}: {_first_problem(error)}") from error


def load_script(path: Path | str) -> Script:
    """Read a script file, or one of `simulators/people/scripts` by name; raise ScriptError naming file and field."""
    path = Path(path)
    if path.name == str(path) and not path.suffix and not path.exists():
        path = Path(str(files("simulators.people") / "scripts" / f"{path}.yaml"))
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        raise ScriptError(f"{path}: {' '.join(str(error).split())}") from error
    return Script.parse(data, str(path))


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    return f"{where.lstrip('.') or 'the document'}: {problem['msg']}"
