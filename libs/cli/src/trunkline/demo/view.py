"""The timeline as the terminal shows it: time, who, what; one colour for each actor."""

from collections.abc import Mapping
from typing import Final

from rich.text import Text

from trunkline.demo.timeline import Actor, Line
from trunkline.output import Output

_STYLES: Final[Mapping[Actor, str]] = {
    Actor.CALL: "bold",
    Actor.CALLER: "cyan",
    Actor.AGENT: "green",
    Actor.BARGE_IN: "bold magenta",
    Actor.EPOCH: "blue",
    Actor.HUMAN: "yellow",
    Actor.TROUBLE: "bold red",
}
_ACTOR_WIDTH: Final = max(len(actor) for actor in Actor)


class View:
    """Prints lines as they come."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, line: Line) -> None:
        """One line of the timeline."""
        text = Text(f"{line.at_ms / 1000:6.1f} s  ", style="dim")
        text.append(f"{line.actor:<{_ACTOR_WIDTH}}  ", style=_STYLES[line.actor])
        text.append(line.text, style=_STYLES[line.actor] if line.actor is not Actor.CALL else "")
        self._output.line(text)
        self._output.event("timeline", {"at_ms": line.at_ms, "actor": str(line.actor), "text": line.text})
