"""The recorded and synthesised lines of speech that simulated people say."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml

from simulators.people.wav import SAMPLE_RATE_HZ, read_pcmu

_VOICES = files("simulators.people") / "voices"


@dataclass(frozen=True, slots=True)
class Recording:
    """One line of speech: `pcmu` is 8 kHz mono G.711 µ-law without header, `text` what is said in it."""

    name: str
    text: str
    language: str
    made_with: str
    pcmu: bytes

    @property
    def duration_ms(self) -> float:
        """How long it sounds, in milliseconds."""
        return len(self.pcmu) * 1000 / SAMPLE_RATE_HZ


def load(name: str) -> Recording:
    """The recording of this name; raise KeyError naming the known ones if there is none."""
    recordings = _recordings()
    if name not in recordings:
        raise KeyError(f"no recording {name!r}; known: {', '.join(recordings)}")
    return recordings[name]


def load_all() -> tuple[Recording, ...]:
    """Every recording, in the order of the index."""
    return tuple(_recordings().values())


@cache
def _recordings() -> Mapping[str, Recording]:
    index = yaml.safe_load((_VOICES / "index.yaml").read_text(encoding="utf-8"))
    made = (_recording(entry, index["licences"]) for entry in index["recordings"])
    return MappingProxyType({recording.name: recording for recording in made})


def _recording(entry: Mapping[str, str], licences: Mapping[str, str]) -> Recording:
    return Recording(
        name=entry["name"],
        text=entry["text"],
        language=entry["language"],
        made_with=licences[entry["made_with"]],
        pcmu=read_pcmu((_VOICES / f"{entry['name']}.wav").read_bytes()),
    )
