"""Somebody who is called by `<Dial>`, as a script describes them."""

from typing import Literal

from simulators.twilio.steps import Milliseconds, Model


class Human(Model):
    """What they do when the telephone rings.

    `after_ms`: until they pick up, or the network says that it cannot reach them; who does not answer lets it ring.
    `talks_ms`: how long they talk with the caller before they hang up. `hangs_up_after_ms`: they put the phone down so
    long after they picked it up, whatever they are being told.
    """

    does: Literal["answers", "is_busy", "does_not_answer", "cannot_be_reached"] = "answers"
    after_ms: Milliseconds = 200
    talks_ms: Milliseconds = 2_000
    hangs_up_after_ms: Milliseconds | None = None
