"""The kit for plugin authors: right components pass, and each way to be wrong is found and named."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from ecef_cli.components import Corpus, Dataset, Options, Tagger, TextEncoder, TextFeatures
from ecef_cli.dialogue import Dialogue, Utterance
from ecef_cli.testing import check_dataset, check_tagger, check_text_encoder, odd_windows, text_window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ecef_cli.components import TextWindow

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "plugin" / "src"
WIDTH = 4


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))


# Text encoders


class PlainEncoder(TextEncoder):
    """Right: a state for each position, whose numbers are lengths; a subclass spoils one thing."""

    width = WIDTH

    def encode(self, windows: Sequence[TextWindow]) -> list[TextFeatures]:
        return [self.spoil(self.one(window), window, windows) for window in windows]

    def one(self, window: TextWindow) -> TextFeatures:
        lengths = [n for t in window.turns for n in (t.speaker, *(len(w.text) for w in t.words))]
        states = np.array([[n, n % 7, n % 5, 1] for n in lengths], np.float32)
        positions = np.arange(len(lengths), dtype=np.int32)
        return TextFeatures(states, positions, positions.copy())

    def spoil(self, features: TextFeatures, window: TextWindow, windows: Sequence[TextWindow]) -> TextFeatures:
        return features


class Layer(nn.Module):
    """Right: a linear layer that looks at its own state and at the mean of the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        kept = states.where(mask[..., None], 0.0)
        mean = kept.sum(1, keepdim=True) / mask.sum(1).clamp_min(1)[:, None, None]
        return self.inner(torch.cat([states, mean.expand_as(states)], dim=-1))


def spoilt(change: Callable[..., Any]) -> PlainEncoder:
    class Spoilt(PlainEncoder):
        def spoil(self, *facts: Any) -> TextFeatures:
            return change(*facts)

    return Spoilt(Options())


def training(make: Callable[[], nn.Module | None]) -> PlainEncoder:
    class Training(PlainEncoder):
        def trainable(self) -> nn.Module | None:
            return make()

    return Training(Options())


def fresh() -> Layer:
    torch.manual_seed(0)
    return Layer()


class Unmasked(Layer):
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().forward(states, torch.ones_like(mask))


class Narrow(Layer):
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().forward(states, mask)[..., :1]


class AcrossBatch(Layer):
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        found = super().forward(states, mask)
        return found + found.where(mask[..., None], 0.0).sum(dim=(0, 1))


def test_right_encoders_pass() -> None:
    check_text_encoder(PlainEncoder(Options()))
    check_text_encoder(training(fresh))


def test_the_example_s_encoder_passes(example: None) -> None:
    from ecef_example.hashed import HashedEncoder, HashedOptions

    check_text_encoder(HashedEncoder(HashedOptions()))


@pytest.mark.parametrize("layers", [0, 1])
@pytest.mark.parametrize("model", ["tiny_bert", "tiny_roberta"])
def test_the_built_in_encoder_passes(request: pytest.FixtureRequest, model: str, layers: int) -> None:
    from ecef_cli.recipe import build_component

    folder = str(request.getfixturevalue(model))
    encoder = build_component("text_encoder", "huggingface", {"model": folder, "trainable_layers": layers})
    assert isinstance(encoder, TextEncoder)
    check_text_encoder(encoder)


def _raise(*_: object) -> TextFeatures:
    raise IndexError("list index out of range")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f, *_: replace(f, states=f.states.astype(np.float64)), "states must be float32"),
        (lambda f, *_: replace(f, states=f.states[:, :2]), r"must have the shape \(L, 4\)"),
        (lambda f, *_: replace(f, states=f.states * np.float32(np.nan)), "not finite"),
        (lambda f, *_: replace(f, first=f.first.astype(np.int64)), "first must be int32"),
        (lambda f, *_: replace(f, last=f.last[:-1]), "last must be int32, with one value a state"),
        (lambda f, *_: replace(f, last=f.last + 1), "a position that the window does not have"),
        (lambda f, *_: replace(f, first=f.first * 0 - 1), "a first position but no last"),
        (lambda f, *_: replace(f, first=f.first[::-1].copy()), "end before they begin"),
        (lambda f, w, *_: _uncovered(f, _speaker(w)), "no state covers the last turn's speaker"),
        (lambda f, *_: _uncovered(f, 1), r"no state covers the positions \[1\]"),
        (lambda f, *_: replace(f, states=_noisy(f.states)), "differ when computed a second time"),
        (lambda f, _, ws: replace(f, states=f.states + len(ws)), "depend on the other windows of the batch"),
        (lambda f, w, ws: replace(f, states=f.states + (w is not ws[0])), "depend on the other windows"),
        (_raise, r"encode\(\) raises IndexError: list index out of range"),
        (lambda *_: None, "must return TextFeatures"),
    ],
)
def test_a_wrong_encoder_is_found(change: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_text_encoder(spoilt(change))


def _speaker(window: TextWindow) -> int:
    return window.positions - 1 - len(window.turns[-1].words)


def _uncovered(features: TextFeatures, position: int) -> TextFeatures:
    def hide(values: np.ndarray) -> np.ndarray:
        return np.where(values == position, -1, values).astype(np.int32)

    return replace(features, first=hide(features.first), last=hide(features.last))


def _noisy(states: np.ndarray) -> np.ndarray:
    return states + np.random.default_rng().random(states.shape, np.float32) * np.float32(1e-3)


@pytest.mark.parametrize("odd", ["an empty text", "emoji", "a very long word", "a very long window"])
def test_an_encoder_that_cannot_bear_odd_input_is_found_with_what_was_odd(odd: str) -> None:
    texts = {turn.text for turn in odd_windows()[odd].turns}

    def fail(features: TextFeatures, window: TextWindow, _: object) -> TextFeatures:
        if {turn.text for turn in window.turns} == texts:
            raise ValueError("odd")
        return features

    with pytest.raises(AssertionError, match=rf"^{odd}: encode\(\) raises ValueError: odd"):
        check_text_encoder(spoilt(fail))


SHARED = fresh()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Unmasked, "what the mask hides changes what it shows"),
        (Narrow, "must map .* to the same shape"),
        (AcrossBatch, "depend on its batch or its padding"),
        (lambda: SHARED, "a fresh copy at every call"),
        (lambda: fresh().requires_grad_(requires_grad=False), "nothing is trained"),
    ],
)
def test_wrong_trained_layers_are_found(make: Callable[[], nn.Module], sentence: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=sentence):
        check_text_encoder(training(make))


def test_a_window_has_a_position_for_each_speaker_and_word() -> None:
    assert text_window((0, "well, no"), (1, "")).positions == 1 + 3 + 1


# Taggers


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


def test_right_taggers_pass(example: None, tmp_path: Path) -> None:
    from ecef_example.table import TableOptions, TableTagger

    check_tagger(SameLetter(Options()), lemmas=LEMMAS)
    path = tmp_path / "relations.tsv"
    path.write_text("glad\tsynonym\thappy\n", encoding="utf-8")
    check_tagger(TableTagger(TableOptions(path=path)), lemmas=["happy", "glad"])


def test_the_built_in_tagger_passes() -> None:
    from ecef_cli.recipe import build_component

    found = build_component("tagger", "conceptnet", {})
    assert isinstance(found, Tagger)
    check_tagger(found)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (tagger(relations=["letter"]), "relations must be a tuple"),
        (tagger(relations=("letter", "letter")), "stands twice"),
        (tagger(relations=tuple(map(str, range(65)))), "room for 64"),
        (tagger(relations=("letter", "sound")), "does not list: sound"),
        (tagger(available=lambda _: {"letter": None}), "names of relations to numbers"),
        (tagger(identity=lambda _: None), "must return a string"),
        (tagger(identity=lambda _: str(next(COUNT))), "the same every time"),
        (tagger(version=2), "version must be a string"),
        (related(lambda m, _: m.tolist()), "must return an array"),
        (related(lambda m, _: m.astype(np.int64)), "must be uint64, not int64"),
        (related(lambda m, _: m[:, :1]), "must be"),
        (related(_asymmetric), "must be symmetric"),
        (related(_diagonal), "the diagonal must be zero"),
        (related(lambda m, _: m * np.uint64(2)), "bit 1 is set"),
        (related(_by_order), "depend on the order of the lemmas"),
        (related(_by_company), "depend on the other lemmas"),
        (related(lambda m, _: m * np.uint64(0)), "no relation holds between any of the lemmas"),
    ],
)
def test_a_wrong_tagger_is_found(wrong: Tagger, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_tagger(wrong, lemmas=LEMMAS)


# Datasets


def utterance(number: int = 1, **changes: Any) -> Utterance:
    return replace(Utterance("hello", "Ann", "d", number, emotion="joy"), **changes)


def corpus(*utterances: Utterance, **changes: Any) -> Corpus:
    said = utterances or (utterance(1), utterance(2, text="hi", speaker="Bo", emotion=None))
    return replace(Corpus(("joy", "anger"), {"train": (Dialogue("d", said),)}, (Path(__file__),)), **changes)


def reader(*found: Any) -> Dataset:
    results = list(found)

    class Reader(Dataset):
        def read(self, sources: Sequence[Path]) -> Corpus:
            result: Corpus = results.pop(0) if len(results) > 1 else results[0]
            return result

    return Reader(Options())


def test_a_right_reader_passes_and_gives_the_corpus_back(tmp_path: Path) -> None:
    whole = corpus(utterance(audio=tmp_path / "a.wav", start=0.5, end=2.0))
    assert check_dataset(reader(whole), []) is whole


def test_the_built_in_reader_passes_on_a_dialogue_file(tmp_path: Path) -> None:
    from ecef_cli.recipe import build_component

    (tmp_path / "train.jsonl").write_text(
        '{"dialogue": "a", "speaker": "Ann", "text": "hello", "emotion": "joy", "mine": 1}\n'
        '{"dialogue": "a", "speaker": "Bo", "text": "go away", "emotion": "anger"}\n',
        encoding="utf-8",
    )
    found = build_component("dataset", "jsonl", {})
    assert isinstance(found, Dataset)
    assert set(check_dataset(found, [tmp_path]).labels) == {"joy", "anger"}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([None], "must return a Corpus"),
        ([corpus(), corpus(utterance())], "something else the second time"),
        ([corpus(labels=())], "labels is empty"),
        ([corpus(labels=("joy", "joy"))], "a label stands twice"),
        ([corpus(sources=())], "sources must list the files read"),
        ([corpus(sources=(Path("missing"),))], "sources must list the files read"),
        ([corpus(splits={"validation": ()})], "splits must be train, dev, test, not validation"),
        ([corpus(splits={"train": ()})], "no dialogue was found"),
        ([corpus(splits={"train": (Dialogue("d", (utterance(),)),) * 2})], "two dialogues have the same id"),
        ([corpus(splits={"train": (Dialogue("d", ()),)})], "dialogue d is empty"),
        ([corpus(utterance(1), utterance(1))], "two utterances have the same id"),
        ([corpus(utterance(dialogue="e"))], "says that it belongs to 'e'"),
        ([corpus(utterance(emotion="bliss"))], "the emotion 'bliss' is not among the labels"),
        ([corpus(utterance(text=" "))], "neither text nor audio"),
        ([corpus(repaired={"dash": 0})], "what was mended to how often"),
    ],
)
def test_a_wrong_reader_is_found(found: list[Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_dataset(reader(*found), [])
