"""Read IEMOCAP (Busso et al., 2008), acted conversations of two people, from the folders of its release."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ecef_cli.api.components import Corpus, Dataset, Dropped, Options
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError
from ecef_datasets.iemocap_files import (
    NAMELESS,
    OVERLAP,
    UNEVALUATED,
    find_parts,
    read_evaluation,
    read_transcription,
)
from ecef_datasets.iemocap_published import DEV_DIALOGUES, compare
from ecef_datasets.own import share_of
from ecef_datasets.tables import line_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from ecef_datasets.iemocap_files import Part, Turn

LABELS: Mapping[str, Mapping[str, str]] = {
    "iemocap4": {"neu": "neutral", "hap": "happy", "exc": "happy", "ang": "angry", "sad": "sad"},
    "iemocap6": {
        "hap": "happy",
        "sad": "sad",
        "neu": "neutral",
        "ang": "angry",
        "exc": "excited",
        "fru": "frustrated",
    },
    "all": {
        "neu": "neutral",
        "hap": "happy",
        "exc": "excited",
        "sad": "sad",
        "ang": "angry",
        "fru": "frustrated",
        "sur": "surprised",
        "fea": "fearful",
        "dis": "disgusted",
        "oth": "other",
    },
}
"""Label sets, as maps from the release's labels; other utterances have no label. `xxx` means no agreement."""

_TEST_OF_STANDARD = 5
_SHOWN = 3


class IemocapOptions(Options):
    """Label set and splits."""

    labels: Literal["iemocap4", "iemocap6", "all"] = Field(
        "iemocap4",
        description="four emotions, with excited as happy; six, with excited and frustrated; or all ten of the "
        "release, for a recipe's own `labels` to choose from",
    )
    split: Literal["standard", "loso1", "loso2", "loso3", "loso4", "loso5"] = Field(
        "standard", description="standard: session 5 is test, dev a fixed list; loso1 to loso5: that session is test"
    )
    dev: float = Field(
        0.1, ge=0, lt=1, description="for loso1 to loso5: share of the other sessions' dialogues for dev"
    )
    seed: int = Field(0, description="for loso1 to loso5: another seed gives other dialogues for dev")
    audio: bool = Field(True, description="use the recordings of the utterances, if present")

    @model_validator(mode="after")
    def _applies(self) -> Self:
        useless = sorted({"dev", "seed"} & self.model_fields_set)
        if self.split == "standard" and useless:
            raise ValueError(
                f"{' and '.join(useless)}: only for loso1 to loso5; standard has a fixed list of dev dialogues"
            )
        return self


class Iemocap(Dataset):
    """Reader of `SessionN/dialog/EmoEvaluation`, `dialog/transcriptions` and `sentences/wav`."""

    Options = IemocapOptions
    options: IemocapOptions

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the dialogues of the sessions found under `sources`: the release, a session, or a folder above.

        Every evaluated turn is an utterance; if its label is not in the set, it has none and is context. Speakers are
        called `Ses01F` and so on. Rows keep the release's label as `raw_emotion`, its ratings as `valence`,
        `activation` and `dominance`, and the times within the dialogue, in seconds, as `dialogue_start` and
        `dialogue_end`.

        Raises:
            DataError: a session is missing or duplicate, or a transcription is missing.
        """
        parts = find_parts(sources)
        homes = self._homes(parts)
        reading = _Reading(self.options)
        splits: dict[str, list[Dialogue]] = {"train": [], "dev": [], "test": []}
        for part in parts:
            utterances = reading.utterances(part, homes[part.id])
            if utterances:
                splits[homes[part.id]].append(Dialogue(part.id, utterances))
        names = LABELS[self.options.labels].values()
        return Corpus(
            tuple(dict.fromkeys(names)),
            {split: tuple(dialogues) for split, dialogues in splits.items()},
            tuple(path for part in parts for path in (part.evaluation, part.transcription)),
            tuple(reading.dropped),
            dict(reading.repaired),
            reading.remarks(),
        )

    def published(self, corpus: Corpus) -> tuple[str, ...]:
        """Return differences from the counts of the release and of the literature, or the missing sessions.

        If nothing is published about the split or label set, only the release is compared.
        """
        return compare(corpus, labels=self.options.labels, split=self.options.split)

    def _homes(self, parts: Iterable[Part]) -> dict[str, str]:
        """Return the split of each dialogue."""
        standard = self.options.split == "standard"
        test = _TEST_OF_STANDARD if standard else int(self.options.split.removeprefix("loso"))
        rest: dict[int, list[str]] = {}
        homes = {}
        for part in parts:
            if part.session == test:
                homes[part.id] = "test"
            else:
                rest.setdefault(part.session, []).append(part.id)
        for dialogues in rest.values():
            # Equal shares of each session, so that dev has all speakers of train.
            drawn = sorted(dialogues, key=lambda name: share_of(name, self.options.seed))
            dev = DEV_DIALOGUES if standard else set(drawn[: round(self.options.dev * len(drawn))])
            homes |= {name: "dev" if name in dev else "train" for name in dialogues}
        return homes


class _Reading:
    """Reader of single dialogues that collects skipped rows."""

    def __init__(self, options: IemocapOptions) -> None:
        self.dropped: list[Dropped] = []
        self.repaired: Counter[str] = Counter()
        self._labels = LABELS[options.labels]
        self._audio = options.audio
        self._silent: list[str] = []
        self._heard = 0
        self._untold: list[str] = []

    def utterances(self, part: Part, split: str) -> tuple[Utterance, ...]:
        """Return the utterances of a dialogue in the order of their start."""
        turns: dict[str, Turn] = {}
        for found in read_evaluation(part):
            if isinstance(found, DataError):
                self._drop(split, found)
            elif found.id in turns:
                problem = f"duplicate turn {found.id}, first at {turns[found.id].where}"
                self._drop(split, DataError(problem, where=found.where))
            else:
                turns[found.id] = found
        texts = self._texts(part, split, turns)
        there = part.recordings() if self._audio else frozenset()
        utterances = []
        # The files list one speaker after the other; sorting is stable if two turns start at once.
        for turn in sorted(turns.values(), key=lambda turn: (turn.start, turn.end)):
            audio = part.recording(turn.id) if f"{turn.id}.wav" in there else None
            utterance = self._utterance(part, turn, texts.get(turn.id, ""), audio)
            if utterance.text or audio:
                utterances.append(utterance)
            else:
                problem = f"{turn.id} has no text in {part.transcription.name}, and no recording"
                hint = f"add its line to {part.transcription}"
                self._drop(split, DataError(problem, where=turn.where, hint=hint), item=turn.id)
        return tuple(utterances)

    def remarks(self) -> tuple[str, ...]:
        """Return remarks about missing recordings and texts."""
        lines = []
        if self._audio and not self._heard:
            lines.append("no recordings: text only")
        elif self._silent:
            lines.append(f"without a recording, text only: {_some(self._silent)}")
        if self._untold:
            lines.append(f"without a transcription, recording only: {_some(self._untold)}")
        return tuple(lines)

    def _texts(self, part: Part, split: str, turns: Mapping[str, Turn]) -> dict[str, str]:
        texts: dict[str, str] = {}
        for line in read_transcription(part, self.repaired):
            if isinstance(line, DataError):
                self._drop(split, line)
            elif line.turn is None:
                self.dropped.append(Dropped(split, line_item(line.where), NAMELESS, line.where))
            elif line.turn not in turns:
                reason = OVERLAP if line.overlapping else UNEVALUATED
                self.dropped.append(Dropped(split, line.turn, reason, line.where))
            elif line.turn in texts:
                self._drop(split, DataError(f"duplicate text of {line.turn}", where=line.where))
            else:
                texts[line.turn] = line.text
        return texts

    def _utterance(self, part: Part, turn: Turn, text: str, audio: Path | None) -> Utterance:
        row: dict[str, Any] = {
            "raw_emotion": turn.emotion,
            **turn.ratings,
            "dialogue_start": turn.start,
            "dialogue_end": turn.end,
        }
        if audio is not None:
            self._heard += 1
        elif self._audio:
            self._silent.append(turn.id)
            row["audio_fault"] = "recording missing"
        if not text and audio is not None:
            self._untold.append(turn.id)
            row["text_fault"] = "transcription missing"
        return Utterance(
            text=text,
            speaker=turn.speaker,
            dialogue=part.id,
            utterance=turn.id.removeprefix(f"{part.id}_"),
            audio=audio,
            emotion=self._labels.get(turn.emotion),
            row=row,
            where=turn.where,
        )

    def _drop(self, split: str, error: DataError, item: str | None = None) -> None:
        where = error.where or ""
        self.dropped.append(Dropped(split, item or line_item(where), error.problem, where, error))


def _some(names: Sequence[str]) -> str:
    return f"{len(names):,} ({', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})"
