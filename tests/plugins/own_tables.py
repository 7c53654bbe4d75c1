"""Small tables of the user's own dialogues, for several test files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecef_datasets.columns import TableDialogues, TableOptions

if TYPE_CHECKING:
    from ecef_cli.api.components import Corpus
    from ecef_cli.api.dialogue import Utterance

HEADER = "dialogue,speaker,text,emotion"
ROWS = ("d0,A,Hello you.,joy", "d0,B,My parcel is gone!,anger", "d1,A,I see.,neutral")


def lines(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *(rows or ROWS)]) + "\n"


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(*sources: Path, **options: object) -> Corpus:
    return TableDialogues(TableOptions.model_validate({"dev": 0, "test": 0, **options})).read(sources)


def utterances(corpus: Corpus) -> list[Utterance]:
    return [u for dialogues in corpus.splits.values() for d in dialogues for u in d.utterances]


def texts(corpus: Corpus) -> list[str]:
    return [u.text for u in utterances(corpus)]


def ids(corpus: Corpus) -> dict[str, list[str]]:
    return {split: [d.id for d in dialogues] for split, dialogues in corpus.splits.items()}
