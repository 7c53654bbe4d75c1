"""IEMOCAP (Busso et al., 2008), acted conversations of two, from the folders of its release."""

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
"""The emotions of each set of labels, by the release's own; utterances of others have none. Nobody agreed on `xxx`."""

_TEST_OF_STANDARD = 5
_SHOWN = 3


class IemocapOptions(Options):
    """Which emotions there are, and who is in which split."""

    labels: Literal["iemocap4", "iemocap6", "all"] = Field(
        "iemocap4",
        description="four emotions, excited being happy; six, with excited and frustrated; or all ten that the release "
        "has, for a recipe's own `labels` to choose from",
    )
    split: Literal["standard", "loso1", "loso2", "loso3", "loso4", "loso5"] = Field(
        "standard", description="standard: session 5 is test, dev a fixed list; loso1 to loso5: that session is test"
    )
    dev: float = Field(0.1, ge=0, lt=1, description="of loso1 to loso5: share of the other sessions' dialogues for dev")
    seed: int = Field(0, description="of loso1 to loso5: another seed gives other dialogues for dev")
    audio: bool = Field(True, description="take the recordings of the utterances, where they are there")

    @model_validator(mode="after")
    def _applies(self) -> Self:
        useless = sorted({"dev", "seed"} & self.model_fields_set)
        if self.split == "standard" and useless:
            raise ValueError(
                f"{' and '.join(useless)}: for loso1 to loso5; the dev dialogues of standard are a fixed list"
            )
        return self


class Iemocap(Dataset):
    """Reads `SessionN/dialog/EmoEvaluation`, `dialog/transcriptions` and `sentences/wav`."""

    Options = IemocapOptions
    options: IemocapOptions

    def read(self, sources: Sequence[Path]) -> Corpus:
        """Return the dialogues of the sessions found under `sources`: the release, a session, or a folder above.

        Every evaluated turn is an utterance; one whose label is not in the set has none, and is context. Speakers are
        called `Ses01F` and so on. Rows keep the release's label as `raw_emotion`, its ratings as `valence`,
        `activation` and `dominance`, and the seconds into the dialogue as `dialogue_start` and `dialogue_end`.

        Raises:
            DataError: there is no session, one is there twice, or a transcription is missing.
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
        """Return where the numbers are not those of the release and of the literature, or which sessions are missing.

        With a split or a set of labels that nothing is published of, those of the release alone are compared.
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
            # As many of each session, so that dev hears everyone whom train hears.
            drawn = sorted(dialogues, key=lambda name: share_of(name, self.options.seed))
            dev = DEV_DIALOGUES if standard else set(drawn[: round(self.options.dev * len(drawn))])
            homes |= {name: "dev" if name in dev else "train" for name in dialogues}
        return homes


class _Reading:
    """Reads dialogue after dialogue, and remembers what was left out."""

    def __init__(self, options: IemocapOptions) -> None:
        self.dropped: list[Dropped] = []
        self.repaired: Counter[str] = Counter()
        self._labels = LABELS[options.labels]
        self._audio = options.audio
        self._silent: list[str] = []
        self._heard = 0
        self._untold: list[str] = []

    def utterances(self, part: Part, split: str) -> tuple[Utterance, ...]:
        """Return the utterances of a dialogue in the order in which they begin."""
        turns: dict[str, Turn] = {}
        for found in read_evaluation(part):
            if isinstance(found, DataError):
                self._drop(split, found)
            elif found.id in turns:
                problem = f"{found.id} stands here again, first at {turns[found.id].where}"
                self._drop(split, DataError(problem, where=found.where))
            else:
                turns[found.id] = found
        texts = self._texts(part, split, turns)
        there = part.recordings() if self._audio else frozenset()
        utterances = []
        # The files list the turns of one speaker after the other's; sorting is stable where two begin at once.
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
        """Return what is to be said about recordings and texts that are not there."""
        lines = []
        if self._audio and not self._heard:
            lines.append("no recording is there: text alone")
        elif self._silent:
            lines.append(f"without a recording, text alone: {_some(self._silent)}")
        if self._untold:
            lines.append(f"without a transcription, recording alone: {_some(self._untold)}")
        return tuple(lines)

    def _texts(self, part: Part, split: str, turns: Mapping[str, Turn]) -> dict[str, str]:
        texts: dict[str, str] = {}
        for said in read_transcription(part, self.repaired):
            if isinstance(said, DataError):
                self._drop(split, said)
            elif said.turn is None:
                self.dropped.append(Dropped(split, line_item(said.where), NAMELESS, said.where))
            elif said.turn not in turns:
                reason = OVERLAP if said.overlapping else UNEVALUATED
                self.dropped.append(Dropped(split, said.turn, reason, said.where))
            elif said.turn in texts:
                self._drop(split, DataError(f"the text of {said.turn} stands here again", where=said.where))
            else:
                texts[said.turn] = said.text
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
            row["audio_fault"] = "there is no recording of it"
        if not text and audio is not None:
            self._untold.append(turn.id)
            row["text_fault"] = "there is no transcription of it"
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
