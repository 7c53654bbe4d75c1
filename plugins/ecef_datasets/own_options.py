"""Options of readers of the user's own dialogues."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from ecef_cli.api.components import Options
from ecef_cli.api.text_files import known_encoding
from ecef_cli.api.values import MISSING
from ecef_datasets.own_labels import FOLD
from ecef_datasets.own_order import Order  # noqa: TC001 - pydantic reads it

_Label = Annotated[str, Field(min_length=1)]


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",")] if value.strip() else []


class OwnOptions(Options):
    """Labels, ids, and the distribution of dialogues over the splits."""

    labels: Annotated[list[_Label] | None, Field(min_length=1), BeforeValidator(_listed)] = Field(
        None,
        description="the emotions in order; null: all that occur, the most frequent in train first; "
        "fold: spellings and synonyms of a label are one, also as fold,A,B",
    )
    missing: Annotated[list[str] | None, BeforeValidator(_listed)] = Field(
        None, description=f"words that mean no label, in any case; null: {', '.join(MISSING)}"
    )
    speakers: Literal["fold"] | None = Field(
        None, description="fold: speakers whose names look alike, such as ROSS and Ross, are one"
    )
    ids: Literal["file", "split"] | None = Field(
        None, description="where ids of dialogues start again; null: nowhere, or in each file if files are splits"
    )
    order: Order | None = Field(
        None, description="sort dialogues by the number of the utterance or by start; null: the order of the rows"
    )
    encoding: Annotated[str, AfterValidator(known_encoding)] | None = Field(
        None, description="the encoding of the files; null: UTF-8, or UTF-16 with a byte order mark"
    )
    splits_by_name: bool = Field(True, description="whether a word such as train or val in a file's name is its split")
    dev: float = Field(0.1, ge=0, lt=1, description="share of dialogues for dev, if nothing names a split")
    test: float = Field(0.1, ge=0, lt=1, description="share of dialogues for test, if nothing names a split")
    seed: int = Field(0, description="another seed gives another distribution")
    licence: str = Field("", description="terms of the data; models that are trained on them name the terms")

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: list[str] | None) -> list[str] | None:
        twice = [label for label, count in Counter(labels or ()).items() if count > 1]
        if twice:
            raise ValueError(f"duplicate label {twice[0]!r}")
        return labels

    @field_validator("test")
    @classmethod
    def _leaves_some(cls, test: float, info: ValidationInfo) -> float:
        dev = info.data.get("dev", 0)
        if dev + test >= 1:
            raise ValueError(f"must leave a share for train: below {1 - dev:g} if dev is {dev:g}")
        return test

    @property
    def folds(self) -> bool:
        """Whether spellings of a label are united."""
        return FOLD in (self.labels or ())

    @property
    def missing_words(self) -> tuple[str, ...]:
        """The words that mean no label."""
        return MISSING if self.missing is None else tuple(self.missing)

    @property
    def named(self) -> list[str]:
        """The labels by name, without `fold`."""
        return [label for label in self.labels or () if label != FOLD]
