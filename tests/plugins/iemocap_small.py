"""IEMOCAP's release, small and in its form, and what reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recorded import record

from ecef_datasets.iemocap import Iemocap, IemocapOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Utterance

# Turn, start, end and label, in the order of an evaluation's file: one speaker after the other.


TURNS = [
    ("F000", 6.2901, 8.2357, "neu"),
    ("F001", 20.5, 22.0, "exc"),
    ("F002", 30.0, 31.0, "xxx"),
    ("M000", 10.01, 12.0, "hap"),
    ("M001", 24.0, 26.5, "fru"),
    ("M002", 32.0, 33.0, "oth"),
]


def evaluation(dialogue: str, turns: Sequence[tuple[str, float, float, str]]) -> str:
    lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for turn, start, end, emotion in turns:
        lines += [
            f"[{start:.4f} - {end:.4f}]\t{dialogue}_{turn}\t{emotion}\t[2.5000, 3.0000, 1.5000]",
            "C-E2:\tNeutral;\t()",
            "C-F1:\tNeutral; Other;\t(curious)",
            "A-E3:\tval 3; act 2; dom  2;\t()",
            "A-M1:\tval 3; act ; dom  1;\t(mild, [polite])",
            "",
        ]
    return "\n".join(lines) + "\n"


def transcription(dialogue: str, turns: Sequence[tuple[str, float, float, str]]) -> str:
    spoken = sorted(turns, key=lambda turn: turn[1])
    return "".join(f"{dialogue}_{t} [{s:08.4f}-{e:08.4f}]: {t} says: yes.\n" for t, s, e, _ in spoken)


def write_dialogue(
    release: Path,
    dialogue: str,
    turns: Sequence[tuple[str, float, float, str]] = TURNS,
    *,
    recordings: bool = False,
) -> Path:
    session = release / f"Session{dialogue[4]}"
    for folder, text in (("EmoEvaluation", evaluation), ("transcriptions", transcription)):
        path = session / "dialog" / folder / f"{dialogue}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(dialogue, turns), encoding="utf-8")
    if recordings:
        for turn, start, end, _ in turns:
            record(session / "sentences/wav" / dialogue / f"{dialogue}_{turn}.wav", end - start)
    return session


def evaluations(release: Path, dialogue: str = "Ses01F_impro01") -> Path:
    return release / f"Session{dialogue[4]}" / "dialog/EmoEvaluation" / f"{dialogue}.txt"


def transcriptions(release: Path, dialogue: str = "Ses01F_impro01") -> Path:
    return release / f"Session{dialogue[4]}" / "dialog/transcriptions" / f"{dialogue}.txt"


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def reader(**options: object) -> Iemocap:
    return Iemocap(IemocapOptions.model_validate(options))


def read(*sources: Path, **options: object) -> Corpus:
    return reader(**options).read(sources)


def published(*sources: Path, **options: object) -> tuple[str, ...]:
    return reader(**options).published(read(*sources, **options))


def utterances(corpus: Corpus, dialogue: str = "Ses01F_impro01") -> tuple[Utterance, ...]:
    [found] = [d for dialogues in corpus.splits.values() for d in dialogues if d.id == dialogue]
    return found.utterances


def homes(corpus: Corpus) -> dict[str, list[str]]:
    return {split: [d.id for d in dialogues] for split, dialogues in corpus.splits.items()}
