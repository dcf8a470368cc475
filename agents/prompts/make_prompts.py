"""Make the recordings of `agents/prompts/en` and `agents/prompts/ja` again from their texts: `make prompts`.

It needs `flite` and `sox` (Debian: `apt-get install flite sox`) and, in the Python that runs it, `pyopenjtalk-plus`,
which `make prompts` installs into a place of its own; nothing of this is needed at run time.

    python agents/prompts/make_prompts.py [LANGUAGE/NAME ...]

Reads `<language>/prompts.toml`, writes `<name>.pcmu` (raw G.711 µ-law, 8 kHz mono) beside it: silence cut to 50 ms
before and 300 ms after the words, mean level -20 dBFS. The same text gives the same bytes.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import wave
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
TONE = "tone"
TONE_S, TONE_HZ = 0.3, 1_000
LEVEL_DBFS = -20.0
TRIM = ["silence", "1", "0.02", "0.5%", "reverse", "silence", "1", "0.02", "0.5%", "reverse"]
PAD = ["pad", "0.05", "0.3"]
PCMU = ["-t", "raw", "-r", "8000", "-c", "1", "-e", "u-law", "-b", "8"]


def flite(text: str, target: Path) -> None:
    """Speak English with CMU Flite's voice slt."""
    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(target)], check=True)  # noqa: S603, S607


def open_jtalk(text: str, target: Path) -> None:
    """Speak Japanese with Open JTalk's voice Mei."""
    import pyopenjtalk  # type: ignore[import-not-found]  # a tool of this script, not of the workspace

    samples, rate = pyopenjtalk.tts(text)
    with wave.open(str(target), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.clip(-32768, 32767).astype("<i2").tobytes())


SPEAKERS: dict[str, Callable[[str, Path], None]] = {"en": flite, "ja": open_jtalk}


def sox(*arguments: str) -> str:
    """Run sox without dither, so that the same text gives the same bytes; return what it reports."""
    done = subprocess.run(["sox", "-D", *arguments], check=True, capture_output=True, text=True)  # noqa: S603, S607
    return done.stderr


def level_dbfs(path: Path) -> float:
    """Mean level of a file in dB below full scale."""
    report = sox(str(path), "-n", "stats")
    return float(re.search(r"RMS lev dB\s+(\S+)", report)[1])  # type: ignore[index]


def speak(language: str, name: str, text: str, scratch: Path) -> Path:
    """The words (or the tone) at 8 kHz, without silence around them."""
    spoken, trimmed = scratch / "spoken.wav", scratch / "trimmed.wav"
    if name == TONE:
        sox("-n", "-r", "8000", "-b", "16", str(trimmed), "synth", f"{TONE_S}", "sine", f"{TONE_HZ}", "gain", "-6",
            "fade", "0.01", f"{TONE_S}", "0.01")  # fmt: skip
        return trimmed
    SPEAKERS[language](text, spoken)
    sox(str(spoken), "-r", "8000", "-b", "16", str(trimmed), "gain", "-6", *TRIM)
    return trimmed


def make(language: str, name: str, text: str, scratch: Path) -> None:
    """One recording."""
    trimmed = speak(language, name, text, scratch)
    gain = LEVEL_DBFS - level_dbfs(trimmed)
    target = HERE / language / f"{name}.pcmu"
    limiter = ["-l"] if gain > 0 else []
    padding = [] if name == TONE else PAD
    sox(str(trimmed), *PCMU, str(target), "gain", *limiter, f"{gain:.2f}", *padding)
    print(f"{language}/{name}: {target.stat().st_size / 8_000:.1f} s")  # noqa: T201


def main(wanted: list[str]) -> None:
    """Make the recordings that are named, or all."""
    missing = [tool for tool in ("flite", "sox") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (Debian: apt-get install flite sox)")
    with tempfile.TemporaryDirectory() as scratch:
        for language in SPEAKERS:
            texts = tomllib.loads((HERE / language / "prompts.toml").read_text(encoding="utf-8"))
            for name, text in texts.items():
                if not wanted or f"{language}/{name}" in wanted:
                    make(language, name, text, Path(scratch))


if __name__ == "__main__":
    main(sys.argv[1:])
