"""Synthesised voices for the speech corpora and their measurements: eSpeak NG and Flite, programs of their own.

A voice of `TRAIN` never speaks in a measurement, and one of `ASIDE` never in training. Flite's are recorded people:
`slt` and `rms`, kept aside, are a woman and a man of the CMU Arctic databases; eSpeak's come from formants.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_LANGUAGES = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc")
TRAIN = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "klatt", "klatt2", "klatt3"),
    *("Alicia", "Annie", "Denis", "Gene", "Lee", "Mario", "Michael", "adam", "belinda", "linda", "max", "steph"),
    *("flite awb", "flite kal", "flite kal16"),
)
ASIDE = ("m7", "m8", "f4", "f5", "klatt4", "Andy", "Andrea", "john", "flite slt", "flite rms")


@dataclass(frozen=True, slots=True)
class Voice:
    """A synthesiser's voice with its pitch and rate, each 0 to 1."""

    name: str
    language: str
    pitch: float
    rate: float

    @classmethod
    def of(cls, names: tuple[str, ...], key: str) -> Voice:
        """Return the voice of a speaker; the same key gives the same one. Every third is one of Flite's."""
        pick = random.Random(key)
        flite = [name for name in names if name.startswith("flite ")]
        others = [name for name in names if name not in flite]
        chosen = pick.choice(flite if pick.random() < 1 / 3 else others)
        return cls(chosen, pick.choice(_LANGUAGES), pick.random(), pick.random())

    def command(self, path: Path) -> list[str]:
        """Return the command that reads a text from standard input and writes it as a WAV file."""
        program, _, name = self.name.partition(" ")
        if program == "flite":
            stretch = f"duration_stretch={1.3 - 0.5 * self.rate:.2f}"
            # The pitch of a recorded voice is shifted around its own.
            return ["flite", "-voice", name, "--setf", stretch, "-f", "/dev/stdin", "-o", str(path)]
        pitch, rate = f"{20 + 60 * self.pitch:.0f}", f"{130 + 80 * self.rate:.0f}"
        return ["espeak-ng", "-v", f"{self.language}+{self.name}", "-p", pitch, "-s", rate, "-w", str(path), "--stdin"]


def speakable(text: str) -> bool:
    """Return whether a text has a word to speak."""
    return re.search(r"[A-Za-z]", text) is not None


def speak(wanted: dict[Path, tuple[str, Voice]]) -> None:
    """Write a WAV file for each text; files that are there already stay."""

    def one(path: Path, text: str, voice: Voice) -> None:
        part = path.with_suffix(".part")
        # A text that begins with a dash, a tag or a bracket is read as such, so only words and their marks are left.
        plain = re.sub(r"[^A-Za-z0-9',.!? -]+", " ", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).strip(" -")
        subprocess.run(voice.command(part), input=plain, text=True, check=True, stderr=subprocess.DEVNULL)
        part.rename(path)

    for folder in {path.parent for path in wanted}:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with ThreadPoolExecutor(2) as pool:
            todo = [(path, *said) for path, said in wanted.items() if not path.exists()]
            list(pool.map(lambda each: one(*each), todo))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not installed: install the packages espeak-ng and flite")
