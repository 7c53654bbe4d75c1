"""Makes dialogue files of corpora with recordings, for `ecef prepare jsonl`.

    python tests/benchmarks/speech_corpora.py ravdess RAVDESS/ --out ravdess/
    python tests/benchmarks/speech_corpora.py pair MELD/ RAVDESS/ --out paired/

`ravdess`: every clip of RAVDESS (Livingstone & Russo 2018, CC BY-NC-SA 4.0) is a dialogue of one utterance, with the
corpus's eight emotions; actors 1-18 are train, 19-21 dev, 22-24 test.

`pair`: every utterance of MELD gets a clip of RAVDESS of the same emotion, from an actor of the same split; a speaker
is one actor within a split. The label chooses the clip, and the clip says other words: what a model scores on such data
shows that text and audio are fused, and nothing about conversations. RAVDESS's *calm* is left out. With `--spoken`, a
share of the train dialogues is spoken by synthesised voices instead, each speaker by one: they say the right words
without their emotion, so a model learns that a recording may tell it nothing. This needs espeak-ng and flite.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from voices import TRAIN, Voice, speak, speakable

if TYPE_CHECKING:
    from ecef_cli.api.dialogue import Dialogue

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
TO_MELD = {
    "neutral": "neutral",
    "happy": "joy",
    "sad": "sadness",
    "angry": "anger",
    "fearful": "fear",
    "disgust": "disgust",
    "surprised": "surprise",
}
STATEMENTS = ("Kids are talking by the door.", "Dogs are sitting by the door.")


def split_of(actor: int) -> str:
    """Return the split of an actor, 1 to 24."""
    return "train" if actor <= 18 else "dev" if actor <= 21 else "test"


def clips(folder: Path) -> list[tuple[Path, int, str, str]]:
    """Return the clips of RAVDESS as (file, actor, emotion, statement)."""
    found = []
    for path in sorted(folder.rglob("Actor_*/*.*")):
        parts = path.stem.split("-")
        if len(parts) == 7 and path.suffix in {".wav", ".flac"}:
            _, _, emotion, _, statement, _, actor = map(int, parts)
            found.append((path.resolve(), actor, EMOTIONS[emotion - 1], STATEMENTS[statement - 1]))
    if not found:
        sys.exit(f"{folder}: no clips of RAVDESS, Actor_NN/MM-CC-EE-II-SS-RR-NN.wav")
    return found


def write(out: Path, rows: dict[str, list[dict[str, object]]]) -> None:
    """Write one dialogue file a split."""
    out.mkdir(parents=True, exist_ok=True)
    for split, found in rows.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        (out / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        print(f"{out / f'{split}.jsonl'}: {len(found):,} utterances")


def ravdess(folder: Path, out: Path) -> None:
    """Write RAVDESS as dialogues of one utterance."""
    rows: dict[str, list[dict[str, object]]] = {"train": [], "dev": [], "test": []}
    for path, actor, emotion, statement in clips(folder):
        rows[split_of(actor)].append(
            {
                "dialogue": path.stem,
                "speaker": f"actor {actor}",
                "text": statement,
                "emotion": emotion,
                "audio": str(path),
            }
        )
    write(out, rows)


def read_meld(folder: Path) -> dict[str, tuple[Dialogue, ...]]:
    """Return the dialogues of MELD by split."""
    from ecef_cli.recipe.model import build_component

    splits: dict[str, tuple[Dialogue, ...]] = build_component("dataset", "meld", {}).read([folder]).splits  # type: ignore[attr-defined]
    return splits


def pair(meld: Path, folder: Path, out: Path, seed: int, spoken: float) -> None:
    """Write MELD with a clip of the same emotion for every utterance, or a share of it with synthesised voices."""
    by_actor: dict[tuple[str, int], dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path, actor, emotion, _ in clips(folder):
        if emotion in TO_MELD:
            by_actor[split_of(actor), actor][TO_MELD[emotion]].append(path)
    rows: dict[str, list[dict[str, object]]] = {}
    texts: dict[Path, tuple[str, Voice]] = {}
    for split, dialogues in read_meld(meld).items():
        actors = [actor for of, actor in by_actor if of == split]
        pick = random.Random(f"{seed} {split}")
        rows[split] = []
        for dialogue in dialogues:
            synthesised = split == "train" and random.Random(f"{seed} {dialogue.id}").random() < spoken
            for said in dialogue.utterances:
                digest = hashlib.sha256(f"{seed} {split} {said.speaker}".encode()).digest()
                actor = actors[int.from_bytes(digest[:8]) % len(actors)]
                row: dict[str, object] = {
                    "dialogue": dialogue.id,
                    "utterance": said.utterance,
                    "speaker": said.speaker,
                    "text": said.text,
                    "emotion": said.emotion,
                    "audio": str(pick.choice(by_actor[split, actor][said.emotion or "neutral"])),
                }
                if synthesised:
                    del row["audio"]
                if synthesised and speakable(said.text):
                    path = out.resolve() / "voices" / f"{dialogue.id}-{said.utterance}.wav"
                    texts[path] = (said.text, Voice.of(TRAIN, f"{seed} {dialogue.id} {said.speaker}"))
                    row["audio"] = str(path)
                rows[split].append(row)
    speak(texts)
    write(out, rows)


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("ravdess")
    two = commands.add_parser("pair")
    two.add_argument("meld", type=Path)
    two.add_argument("--spoken", type=float, default=0.0, metavar="SHARE", help="of the train dialogues, synthesised")
    for command in (one, two):
        command.add_argument("ravdess", type=Path)
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.command == "ravdess":
        ravdess(arguments.ravdess, arguments.out)
    else:
        pair(arguments.meld, arguments.ravdess, arguments.out, arguments.seed, arguments.spoken)


if __name__ == "__main__":
    main()
