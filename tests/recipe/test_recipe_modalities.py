"""Recipes: which components each modality needs, and how recordings reach the network."""

from __future__ import annotations

from pathlib import Path

import pytest
from narrow import present

from ecef_cli.api.errors import RecipeError
from ecef_cli.features.encoders import build_encoders
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import Recipe, check_recipe, load_recipe

BOTH = """\
name: both
dataset: meld
tasks: [erc]
modalities: [text, audio]
tagger: {name: conceptnet}
text_encoder: {name: huggingface, model: some-model}
audio_encoder: {name: logmel-prosody, mels: 16}
prosody: {name: srdvc}
fusion: {name: concat}
"""


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A recipe of text and audio."""
    path = tmp_path / "both.yaml"
    path.write_text(BOTH, encoding="utf-8")
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A recipe that names no component at all."""
    path = tmp_path / "bare.yaml"
    path.write_text("name: bare\ndataset: meld\ntasks: [erc]\n", encoding="utf-8")
    return path


def problems(path: Path, *settings: str) -> list[str]:
    """Return what is wrong with a recipe, without the recipe's own path."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path), settings)
    return [line.replace(str(path), "FILE") for line in caught.value.problems]


def test_a_recipe_that_says_nothing_of_modalities_reads_text(bare: Path) -> None:
    assert problems(bare) == ["text_encoder: is missing, but needed for text"]
    recipe = load_recipe(str(bare), ["text_encoder={name: huggingface}"])
    assert recipe.modalities == ["text"]
    assert (recipe.reads("text"), recipe.reads("audio")) == (True, False)


def test_what_the_modalities_need_is_named_at_once(bare: Path) -> None:
    assert problems(bare, "modalities=[audio]") == ["audio_encoder: is missing, but needed for audio"]
    missing = "is missing, but needed for text and audio"
    assert problems(bare, "modalities=[text, audio]") == [
        f"text_encoder: {missing}",
        f"audio_encoder: {missing}",
        f"fusion: {missing}",
    ]


@pytest.mark.parametrize("key", ["text_encoder", "audio_encoder", "fusion"])
def test_a_component_that_is_needed_cannot_be_none(both: Path, key: str) -> None:
    said = f"--set: {key}: is missing, but needed for text and audio"
    assert problems(both, f"{key}=none") == [said]


def test_what_is_missing_is_named_beside_what_else_is_wrong(both: Path) -> None:
    found = problems(both, "fusion=none", "audio_encoder.mel=8", "prosody.name=srdv")
    assert [line.split(": ")[1] for line in found] == ["fusion", "audio_encoder.mel", "prosody.name"]
    assert "did you mean 'mels'?" in found[1]
    assert "did you mean 'srdvc'?" in found[2]


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_one_modality_of_a_recipe_of_both_can_be_read_alone(both: Path, modality: str) -> None:
    recipe = load_recipe(str(both), [f"modalities=[{modality}]"])
    whole = load_recipe(str(both))
    assert recipe == whole.model_copy(update={"modalities": [modality]})
    assert check_recipe(recipe.dumped(), where="again") == recipe


def test_blocks_of_a_modality_that_is_not_read_are_left_alone(both: Path) -> None:
    # The model does not exist, so that whoever built the encoder would fail.
    encoders = build_encoders(load_recipe(str(both), ["modalities=[audio]"]), device="cpu")
    assert encoders.text is None
    assert present(encoders.audio).width == 16 + 9
    recipe = load_recipe(str(both), ["modalities=[audio]", "text_encoder=none", "fusion=none", "tagger=none"])
    assert recipe.text_encoder is recipe.fusion is recipe.tagger is None


def test_options_of_a_block_that_is_not_used_are_checked_all_the_same(both: Path) -> None:
    (line,) = problems(both, "modalities=[text]", "prosody.frequency=0")
    assert line.startswith("--set: prosody.frequency: input should be greater than or equal to 1")


def test_prosody_enhancement_may_be_none_and_comes_out_as_none(both: Path) -> None:
    for setting in ("prosody=none", "prosody=null"):
        recipe = load_recipe(str(both), [setting])
        assert recipe.prosody is None
        assert recipe.dumped()["prosody"] == "none"
        assert check_recipe(recipe.dumped(), where="again") == recipe
        with pytest.raises(RecipeError, match="recipe both: prosody is none"):
            recipe.component("prosody")


@pytest.mark.parametrize("kind", ["audio_encoder", "prosody_encoder", "fusion"])
def test_every_installed_component_can_stand_in_a_recipe(both: Path, kind: str) -> None:
    key = "prosody" if kind == "prosody_encoder" else kind
    for entry in get_registry().entries(kind):
        recipe = load_recipe(str(both), [f"{key}={{name: {entry.name}}}"])
        assert getattr(recipe, key).name == entry.name


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[]", "should have at least 1 item"),
        ("[text, text]", "duplicate entry"),
        ("[video]", "should be 'text' or 'audio', not 'video'"),
        ("[audoi]", "(did you mean 'audio'?)"),
    ],
)
def test_modalities_that_make_no_sense_are_told(both: Path, value: str, said: str) -> None:
    (line,) = problems(both, f"modalities={value}")
    assert line.startswith("--set: modalities")
    assert said in line


@pytest.mark.parametrize("group", [1, 3, 6, 12])
def test_convolutions_that_halve_need_a_group_that_can_be_halved(both: Path, group: int) -> None:
    expected = f"audio: convolutions of stride 2 need a group of 2, 4, 8, …, not {group}"
    assert problems(both, f"audio.group={group}", "audio.front=convolution") == [expected]
    assert load_recipe(str(both), [f"audio.group={group}"]).audio.front == "mean"


def test_convolutions_need_more_than_the_group_of_one_that_is_the_default(both: Path) -> None:
    (line,) = problems(both, "audio.front=convolution")
    assert line.endswith("need a group of 2, 4, 8, …, not 1")


@pytest.mark.parametrize("group", [2, 4, 8, 64])
def test_a_power_of_two_can_be_halved(both: Path, group: int) -> None:
    recipe = load_recipe(str(both), [f"audio.group={group}", "audio.front=convolution"])
    assert (recipe.audio.group, recipe.audio.front) == (group, "convolution")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("audio.group=0", "audio.group: input should be greater than or equal to 1"),
        ("audio.positions=0", "audio.positions: input should be greater than or equal to 1"),
        ("audio.longest=0", "audio.longest: input should be greater than 0"),
        ("audio.front=convolutional", "(did you mean 'convolution'?)"),
        ("training.modality_dropout={audio: 0.6, text: 0.6}", "the sum of audio and text must not exceed 1"),
        ("training.modality_dropout.audio=1", "training.modality_dropout.audio: input should be less than 1"),
        ("training.masking.times=-1", "training.masking.times: input should be greater than or equal to 0"),
        ("training.speeds=[]", "training.speeds: list should have at least 1 item"),
        ("training.speeds=[1.0, 1.0]", "training.speeds: duplicate entry"),
        ("training.speeds=[0.4]", "training.speeds.0: input should be greater than or equal to 0.5"),
        ("training.freeze=[txt]", "training.freeze.0: input should be 'text' or 'audio', not 'txt'"),
        ("training.freeze=[text, text]", "training.freeze: duplicate entry"),
    ],
)
def test_settings_of_audio_that_make_no_sense_are_told_with_their_path(both: Path, setting: str, said: str) -> None:
    (line,) = problems(both, setting)
    assert said in line


def test_half_of_all_windows_may_lose_each_modality(both: Path) -> None:
    recipe = load_recipe(str(both), ["training.modality_dropout={audio: 0.5, text: 0.5}"])
    assert isinstance(recipe, Recipe)
    assert recipe.training.modality_dropout.audio + recipe.training.modality_dropout.text == 1
