"""How long the keypad menu waits for what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults are what callers expect of such menus; nobody is left in silence for more than 25 s."""

    key_within_s: float = 8.0
    """Of silence after the menu, until it is repeated."""
    menu_repeats: int = 3
    """Without a key; then the caller holds."""
    holding_every_s: float = 20.0
    speech_within_s: float = 10.0
    """Of the tone; a recording without speech is dropped."""
    silence_after_speech_s: float = 4.0
    recording_at_most_s: float = 120.0
    messages_at_most: int = 5
    """Of one call; then no further one is offered."""
    kept_within_s: float = 10.0
    """A disk that takes longer has failed."""
    human_within_s: float = 10.0
    """The leg leaves us when a human is dialled; one that is still here afterwards was not taken."""
    sent_within_s: float = 60.0
    """Of asking for prompts; who is never told that they were sent goes on regardless."""
