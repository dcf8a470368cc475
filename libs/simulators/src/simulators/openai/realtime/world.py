"""What the sessions of a process share."""

from dataclasses import dataclass

from simulators.openai.script import Script
from simulators.openai.voices import Voices
from simulators.people.recognition import Recogniser


@dataclass(frozen=True, slots=True)
class World:
    """The script, its voices, what can be recognised."""

    script: Script
    voices: Voices
    recogniser: Recogniser
    is_marking: bool = False
    """Speech carries a watermark with its session's number (`people.watermark`)."""
