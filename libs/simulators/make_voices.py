"""Make the synthesised voices of `simulators/people/voices` again (needed only when a text changes).

    apt-get install flite sox
    python3 -m venv /tmp/voices && /tmp/voices/bin/pip install pyopenjtalk-plus==0.4.1.post10 pyyaml
    /tmp/voices/bin/python libs/simulators/make_voices.py [NAME ...]

Reads texts from `voices/index.yaml`, writes `<name>.wav` (8 kHz mono µ-law) beside it: leading and trailing silence
cut to 60 and 120 ms, mean level -20 dBFS. Human recordings are left alone. Not needed at run time.
"""

import re
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import yaml

VOICES = Path(__file__).parent / "src" / "simulators" / "people" / "voices"
LEVEL_DBFS = -20.0
TRIM = ["silence", "1", "0.02", "0.5%", "reverse", "silence", "1", "0.02", "0.5%", "reverse"]
PAD = ["pad", "0.06", "0.12"]


def flite(text: str, target: Path, half_tones: float) -> None:
    """Speak English with CMU Flite's voice slt."""
    if half_tones:
        sys.exit("flite: half_tones is not supported here")
    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(target)], check=True)  # noqa: S603, S607


def open_jtalk(text: str, target: Path, half_tones: float) -> None:
    """Speak Japanese with Open JTalk's voice Mei, `half_tones` higher or lower."""
    import pyopenjtalk  # type: ignore[import-not-found]  # a tool of this script, not of the workspace

    samples, rate = pyopenjtalk.tts(text, half_tone=half_tones)
    with wave.open(str(target), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.clip(-32768, 32767).astype("<i2").tobytes())


SPEAKERS = {"flite-slt": flite, "mei": open_jtalk}


def sox(*arguments: str) -> str:
    """Run sox without dither, so that the same text gives the same bytes; return what it reports."""
    done = subprocess.run(["sox", "-D", *arguments], check=True, capture_output=True, text=True)  # noqa: S603, S607
    return done.stderr


def level_dbfs(path: Path) -> float:
    """Mean level of a file in dB below full scale."""
    report = sox(str(path), "-n", "stats")
    return float(re.search(r"RMS lev dB\s+(\S+)", report)[1])  # type: ignore[index]


def make(entry: dict[str, Any], scratch: Path) -> None:
    """Synthesise one entry of the index into its µ-law WAV."""
    spoken, trimmed = scratch / "spoken.wav", scratch / "trimmed.wav"
    SPEAKERS[entry["made_with"]](entry["text"], spoken, entry.get("half_tones", 0.0))
    sox(str(spoken), "-r", "8000", "-b", "16", str(trimmed), "gain", "-6", *TRIM)
    gain = LEVEL_DBFS - level_dbfs(trimmed)
    target = VOICES / f"{entry['name']}.wav"
    sox(str(trimmed), "-e", "u-law", "-b", "8", str(target), "gain", "-l", f"{gain:.2f}", *PAD)
    print(f"{target.name}: {target.stat().st_size} bytes")


def main(names: list[str]) -> None:
    """Make the named voices, or every synthesised one."""
    index = yaml.safe_load((VOICES / "index.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        for entry in index["recordings"]:
            if entry["made_with"] in SPEAKERS and (not names or entry["name"] in names):
                make(entry, Path(scratch))


if __name__ == "__main__":
    main(sys.argv[1:])
