"""The kit for taggers: right ones pass, and each way to be wrong is found and named."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ecef_cli.api.components import Options, Tagger
from ecef_cli.testing import check_tagger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class SameLetter(Tagger):
    """Right: two words are related where they start with the same letter."""

    relations = ("letter",)

    def available(self) -> Mapping[str, int]:
        return {"letter": 26}

    def relate(self, lemmas: Sequence[str]) -> Any:
        masks = [[int(a != b and a[:1] == b[:1]) for b in lemmas] for a in lemmas]
        return np.array(masks, np.uint64).reshape(len(lemmas), len(lemmas))


COUNT = itertools.count()
LEMMAS = ["tree", "house", "tram"]


def tagger(**members: Any) -> Tagger:
    made: Tagger = type("Wrong", (SameLetter,), members)(Options())
    return made


def related(change: Callable[[Any, Sequence[str]], Any]) -> Tagger:
    return tagger(relate=lambda self, lemmas: change(SameLetter.relate(self, lemmas), lemmas))


def _asymmetric(masks: Any, lemmas: Sequence[str]) -> Any:
    return np.triu(masks)


def _diagonal(masks: Any, lemmas: Sequence[str]) -> Any:
    return masks | np.eye(len(lemmas), dtype=np.uint64)


def _by_order(masks: Any, lemmas: Sequence[str]) -> Any:
    masks[:1, 1:2] = masks[1:2, :1] = 1
    return masks


def _by_company(masks: Any, lemmas: Sequence[str]) -> Any:
    return masks * np.uint64(len(lemmas) > 2)


def test_a_right_tagger_passes() -> None:
    check_tagger(SameLetter(Options()), lemmas=LEMMAS)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (tagger(relations=["letter"]), "relations must be a tuple"),
        (tagger(relations=("letter", "letter")), "duplicate relation"),
        (tagger(relations=tuple(map(str, range(65)))), "at most 64"),
        (tagger(relations=("letter", "sound")), "does not list: sound"),
        (tagger(available=lambda _: {"letter": None}), "names of relations to numbers"),
        (tagger(identity=lambda _: None), "must return a string"),
        (tagger(identity=lambda _: str(next(COUNT))), "the same string every time"),
        (tagger(version=2), "version must be a string"),
        (related(lambda m, _: m.tolist()), "must return an array"),
        (related(lambda m, _: m.astype(np.int64)), "must be uint64, not int64"),
        (related(lambda m, _: m[:, :1]), "must be"),
        (related(_asymmetric), "must be symmetric"),
        (related(_diagonal), "the diagonal must be zero"),
        (related(lambda m, _: m * np.uint64(2)), "bit 1 is set"),
        (related(_by_order), "depend on the order of the lemmas"),
        (related(_by_company), "depend on the other lemmas"),
        (related(lambda m, _: m * np.uint64(0)), "no relation holds between any of the given lemmas"),
    ],
)
def test_a_wrong_tagger_is_found(wrong: Tagger, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_tagger(wrong, lemmas=LEMMAS)
