"""Measure whether recordings help or stay silent, at any level.

Run it with `python tests/benchmarks/bench_levels.py MELD/ RAVDESS/ --out DIR/`. It prints three
tables for a run that reads text and recordings, on one split:

1. MELD's sentences spoken by synthesised voices that no training has heard (`voices.ASIDE`), brought to peaks of -1,
   -10, -20 and -35 dBFS. The voices say the words without their emotion, so the best that a model can do is to answer
   as from the text alone. Printed are ERC's W-F1, its difference from the text alone, and in how many rows the answer
   is the same at all levels.
2. RAVDESS, speech alone, as recorded and 12 dB quieter and louder.
3. MELD paired with clips of RAVDESS (`speech_corpora.py pair`), beside the text alone.

It needs the programs espeak-ng and flite. Files in DIR are used again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from sklearn.metrics import f1_score
from speech_corpora import TO_MELD, clips, pair, read_meld, split_of
from voices import ASIDE, Voice, speak, speakable

from ecef_cli.api.dialogue import Dialogue, Utterance, read_dialogues
from ecef_cli.prediction.predictor import Predictor
from ecef_cli.prediction.stream import Windows
from ecef_cli.runs.run import find_run
from ecef_cli.workspace import Workspace

PEAKS = (-1, -10, -20, -35)
GAINS = (-12, 0, 12)


def answers(predictor: Predictor, dialogues: Iterable[Dialogue]) -> list[str]:
    """Return the recognised emotion of each utterance."""
    windows = Windows(predictor.history)
    found = (predictor.predict([windows.ending_at(said) for said in dialogue.utterances]) for dialogue in dialogues)
    return [a.labels[int(a.probabilities["erc"].argmax())] for of_dialogue in found for a in of_dialogue]


def weighted(gold: Sequence[str], found: Sequence[str]) -> float:
    """Return the weighted F1, in percent."""
    return float(100 * f1_score(gold, found, average="weighted"))


def heard(dialogues: Iterable[Dialogue], folder: Path | None) -> list[Dialogue]:
    """Return dialogues with the recordings in a folder, or without any."""

    def recording(said: Utterance) -> Path | None:
        return folder / f"{said.dialogue}-{said.utterance}.wav" if folder and speakable(said.text) else None

    return [replace(d, utterances=tuple(replace(u, audio=recording(u)) for u in d.utterances)) for d in dialogues]


def scaled(source: Path, target: Path, *, peak: float | None = None, gain: float = 0.0) -> Path:
    """Write a copy of a recording, brought to a peak or by a gain (dB), as 16-bit WAV; louder samples are clipped."""
    if not target.exists():
        wave, rate = soundfile.read(source)
        factor = 10 ** (gain / 20) if peak is None else 10 ** (peak / 20) / max(float(np.abs(wave).max()), 1e-9)
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, np.clip(wave * factor, -1, 1), rate, subtype="PCM_16")
    return target


def synthesised(predictor: Predictor, meld: Sequence[Dialogue], out: Path) -> None:
    """Print the table of synthesised voices."""
    said = [u for dialogue in meld for u in dialogue.utterances]
    voices = {id(u): Voice.of(ASIDE, f"{u.dialogue} {u.speaker}") for u in said}
    spoken = {out / "spoken" / f"{u.dialogue}-{u.utterance}.wav": u for u in said if speakable(u.text)}
    speak({path: (u.text, voices[id(u)]) for path, u in spoken.items()})
    gold = [str(u.emotion) for u in said]
    of_people = np.array([voices[id(u)].name.startswith("flite") for u in said])
    parts = {"all voices": np.ones(len(said), dtype=bool), "espeak-ng": ~of_people, "flite": of_people}
    text = answers(predictor, heard(meld, None))
    by_level = {}
    for peak in PEAKS:
        for path in spoken:
            scaled(path, out / f"spoken{peak}" / path.name, peak=peak)
        by_level[peak] = answers(predictor, heard(meld, out / f"spoken{peak}"))
    same = np.array([len(set(row)) == 1 for row in zip(*by_level.values(), strict=True)])
    print(f"MELD's sentences, {len(said):,} rows, by voices kept aside: ERC W-F1 (difference from the text alone)")
    print(
        f"{'voices':<12}{'rows':>6}{'text':>8}" + "".join(f"{peak:>16} dB" for peak in PEAKS) + "  same at all levels"
    )
    for name, part in parts.items():
        rows = np.flatnonzero(part)
        plain = weighted([gold[n] for n in rows], [text[n] for n in rows])
        line = f"{name:<12}{len(rows):>6}{plain:>8.2f}"
        for found in by_level.values():
            score = weighted([gold[n] for n in rows], [found[n] for n in rows])
            line += f"{f'{score:.2f} ({score - plain:+.2f})':>19}"
        print(f"{line}{100 * same[part].mean():>17.1f} %", flush=True)
    kept = [np.mean([a == b for a, b in zip(found, text, strict=True)]) for found in by_level.values()]
    print("rows with the answer of the text alone: " + ", ".join(f"{100 * share:.1f} %" for share in kept), flush=True)


def alone(predictor: Predictor, ravdess: Path, split: str, out: Path) -> None:
    """Print the table of speech alone."""
    chosen = [clip for clip in clips(ravdess) if split_of(clip[1]) == split and clip[2] in TO_MELD]
    gold = [TO_MELD[emotion] for _, _, emotion, _ in chosen]
    print(f"\nRAVDESS, speech alone, {len(chosen)} clips")
    for gain in GAINS:
        rows = [
            Dialogue(path.stem, (Utterance("", "A", path.stem, 1, audio=copy),))
            for path, *_ in chosen
            for copy in [scaled(path, out / f"ravdess{gain}" / f"{path.stem}.wav", gain=gain)]
        ]
        found = answers(predictor, rows)
        accuracy = 100 * np.mean([a == b for a, b in zip(gold, found, strict=True)])
        print(f"{gain:>+5} dB  accuracy {accuracy:.2f}  W-F1 {weighted(gold, found):.2f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meld", type=Path)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="bundled-speech", metavar="RUN", help="a run by name or folder")
    parser.add_argument("--workspace", type=Path, default=Path("ecef-work"))
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="measure every Nth dialogue of MELD only")
    arguments = parser.parse_args()
    split, out = arguments.split, arguments.out.resolve() / arguments.split
    predictor = Predictor(find_run(Workspace(arguments.workspace), arguments.model), device="cpu")
    synthesised(predictor, read_meld(arguments.meld)[split][:: arguments.every], out)
    alone(predictor, arguments.ravdess, split, out)
    pair(arguments.meld, arguments.ravdess, out / "paired", seed=0, spoken=0.0)
    paired = read_dialogues(out / "paired" / f"{split}.jsonl")[:: arguments.every]
    gold = [str(said.emotion) for dialogue in paired for said in dialogue.utterances]
    text, both = (weighted(gold, answers(predictor, given)) for given in (heard(paired, None), paired))
    print(f"\nMELD paired with RAVDESS, {len(gold):,} rows: ERC W-F1 {both:.2f}, text alone {text:.2f}")


if __name__ == "__main__":
    main()
