"""Any Hugging Face speech encoder: the same as transformers, alone and in a batch, for every layer and length."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError
from speech_models import LAYERS, NORMALISED, WAVE_MODELS, WHISPER_SECONDS, save_speech_model

from ecef_cli.api.errors import PluginError
from ecef_speech.huggingface import HuggingFaceSpeechEncoder, HuggingFaceSpeechOptions, grouped, side_by_side

Wave = npt.NDArray[np.float32]
RATE = 16_000
FRAME = 400  # samples
HOP = 320
WHISPER_WINDOW = WHISPER_SECONDS * RATE
ALL_MODELS = (*WAVE_MODELS, "whisper")
LENGTHS = (24_000, 400, 9_137, 719, 720, 16_000, 399, 48_211, 3_000)


def encoder(model: Path | str, **options: Any) -> HuggingFaceSpeechEncoder:
    return HuggingFaceSpeechEncoder(HuggingFaceSpeechOptions(model=str(model), **options))


def sound(samples: int, seed: int = 0) -> Wave:
    """Return noise that swells and fades, off the zero line."""
    generator = np.random.default_rng((seed, samples))
    swell = 0.02 + np.sin(np.arange(samples) / 3000) ** 2
    return (0.1 * swell * generator.standard_normal(samples) + 0.01).astype(np.float32)


def transformers_states(folder: Path, wave: Wave) -> list[npt.NDArray[np.float32]]:
    """Return each hidden state (T, d) as transformers gives it; the last is what the model itself gives."""
    model, extractor = transformers_model(folder)
    with torch.inference_mode():
        read = extractor(wave, sampling_rate=RATE, return_tensors="pt")
        output = model(**read, output_hidden_states=True)
    return [state[0].numpy() for state in (*output.hidden_states[:-1], output.last_hidden_state)]


@cache
def transformers_model(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    model = model.get_encoder() if hasattr(model, "get_encoder") and model.config.is_encoder_decoder else model
    if getattr(model, "adapter", None) is not None:
        model.adapter = None  # the hidden states are those below it
    return model, AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)


def close(found: npt.NDArray[np.float32], expected: npt.NDArray[np.floating], tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("speech")
    return {name: save_speech_model(root / name, name) for name in ALL_MODELS}


@pytest.fixture(scope="module", params=ALL_MODELS)
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    return folders[request.param]


@pytest.fixture(scope="module")
def coder(folder: Path) -> HuggingFaceSpeechEncoder:
    return encoder(folder)


@pytest.fixture(scope="module")
def wavlm(folders: dict[str, Path]) -> Path:
    return folders["wavlm"]


@pytest.fixture(scope="module")
def whisper(folders: dict[str, Path]) -> Path:
    return folders["whisper"]


# ------------------------------------------------------------------------- the same as transformers


def test_every_hidden_state_is_that_of_transformers(folder: Path) -> None:
    wave = sound(WHISPER_WINDOW)
    expected = transformers_states(folder, wave)
    assert len(expected) == LAYERS + 1
    for layer, state in enumerate(expected):
        [found] = encoder(folder, layer=layer).encode([wave])
        close(found.frames, state)


def test_a_weighted_sum_is_that_of_transformers_states(folder: Path) -> None:
    wave = sound(WHISPER_WINDOW)
    expected = transformers_states(folder, wave)
    [found] = encoder(folder, weights=[1, 0, 2, 1]).encode([wave])
    close(found.frames, (expected[0] + 2 * expected[2] + expected[3]) / 4)


def test_the_last_state_is_what_is_taken_where_nothing_is_said(wavlm: Path) -> None:
    wave = sound(8000)
    [found], [last], [counted] = (encoder(wavlm, **which).encode([wave]) for which in ({}, {"layer": -1}, {"layer": 3}))
    np.testing.assert_array_equal(found.frames, last.frames)
    np.testing.assert_array_equal(found.frames, counted.frames)


def test_each_wave_of_a_batch_is_what_transformers_computes_for_it_alone(
    folder: Path, coder: HuggingFaceSpeechEncoder
) -> None:
    waves = [sound(samples) for samples in LENGTHS if FRAME <= samples <= WHISPER_WINDOW]
    for wave, found in zip(waves, coder.encode(waves), strict=True):
        expected = transformers_states(folder, wave)[-1]
        close(found.frames, expected[: -(-len(wave) // HOP)] if folder.name == "whisper" else expected)


@pytest.mark.parametrize("name", NORMALISED)
def test_a_wave_is_normalised_where_the_feature_extractor_says_so(folders: dict[str, Path], name: str) -> None:
    coder, wave = encoder(folders[name]), sound(9000)
    [found], [louder] = coder.encode([wave]), coder.encode([20 * wave + np.float32(0.25)])
    close(louder.frames, found.frames, 1e-3)


def test_layers_that_are_not_needed_are_not_kept(wavlm: Path) -> None:
    def size(**which: Any) -> int:
        return sum(weight.numel() for weight in encoder(wavlm, **which)._model.parameters())

    assert size(layer=0) < size(layer=1) < size(layer=-1)
    assert size(weights=[1, 1, 0, 0]) == size(layer=1)


# --------------------------------------------------------------------------------- alone and in a batch


def test_a_wave_is_the_same_alone_and_in_a_batch(coder: HuggingFaceSpeechEncoder) -> None:
    waves = [sound(samples) for samples in LENGTHS]
    for wave, found in zip(waves, coder.encode(waves), strict=True):
        [alone] = coder.encode([wave])
        close(found.frames, alone.frames)


def test_loud_neighbours_do_not_change_a_quiet_wave(coder: HuggingFaceSpeechEncoder) -> None:
    quiet = 1e-3 * sound(5000)
    loud = [1e3 * sound(samples, seed=1) for samples in (20_000, 6000)]
    [alone] = coder.encode([quiet])
    close(coder.encode([loud[0], quiet, loud[1]])[1].frames, alone.frames, 1e-4)


def test_the_order_of_a_batch_is_the_order_of_its_frames(wavlm: Path) -> None:
    coder = encoder(wavlm)
    waves = [sound(samples) for samples in LENGTHS]
    forwards, backwards = coder.encode(waves), coder.encode(waves[::-1])[::-1]
    for one, other in zip(forwards, backwards, strict=True):
        close(one.frames, other.frames)


def test_the_same_batch_gives_the_same_frames_in_every_process(folder: Path) -> None:
    waves = [sound(samples) for samples in LENGTHS[:4]]
    torch.manual_seed(1)
    one = encoder(folder).encode(waves)
    torch.manual_seed(2)
    two = encoder(folder).encode(waves)
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.frames, second.frames)


def test_a_batch_that_threads_share_is_the_same(coder: HuggingFaceSpeechEncoder) -> None:
    waves = [sound(samples) for samples in LENGTHS]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = coder.encode(waves)
        torch.set_num_threads(3)
        shared = coder.encode(waves)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(alone, shared, strict=True):
        close(one.frames, other.frames)


def test_waves_of_one_length_are_the_same_together_and_alone(
    coder: HuggingFaceSpeechEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    forward = coder._model.forward

    def counted(pieces: Sequence[npt.NDArray[np.float32]]) -> list[torch.Tensor]:
        together.append(len(pieces))
        return forward(pieces)

    monkeypatch.setattr(coder._model, "forward", counted)
    monkeypatch.setattr(coder, "_together", 2)  # as on an accelerator
    waves = [sound(samples, seed) for seed, samples in enumerate((9137, 5000, 9137, 399, 9137, 5000))]
    found = coder.encode(waves)
    assert max(together) == 2
    monkeypatch.undo()
    for wave, one in zip(waves, found, strict=True):
        [alone] = coder.encode([wave])
        close(one.frames, alone.frames)


def test_frames_are_arrays_of_their_own(coder: HuggingFaceSpeechEncoder) -> None:
    waves = [sound(samples) for samples in LENGTHS]
    for found in coder.encode(waves):
        assert found.frames.base is None
        assert found.frames.dtype == np.float32
        assert found.frames.flags.c_contiguous


def test_nothing_gives_nothing(coder: HuggingFaceSpeechEncoder) -> None:
    assert coder.encode([]) == []


# ------------------------------------------------------------------------------------ lengths and silence


@pytest.mark.parametrize("name", WAVE_MODELS)
def test_a_wave_has_the_frames_that_its_samples_fill(folders: dict[str, Path], name: str) -> None:
    coder = encoder(folders[name])
    found = coder.encode([sound(samples) for samples in LENGTHS])
    assert [len(one.frames) for one in found] == [(max(samples, FRAME) - FRAME) // HOP + 1 for samples in LENGTHS]
    assert {one.rate for one in found} == {50.0}
    assert {one.frames.shape[1] for one in found} == {coder.width} == {32}
    assert coder.sample_rate == RATE


@pytest.mark.parametrize("samples", [0, 1, 5, 319])
def test_a_wave_shorter_than_a_frame_gives_one(coder: HuggingFaceSpeechEncoder, samples: int) -> None:
    [found] = coder.encode([sound(samples)])
    assert len(found.frames) == 1
    assert np.isfinite(found.frames).all()


def test_silence_is_finite(coder: HuggingFaceSpeechEncoder) -> None:
    found = coder.encode([np.zeros(samples, dtype=np.float32) for samples in LENGTHS])
    assert all(np.isfinite(one.frames).all() for one in found)


def test_whisper_gives_frames_for_real_samples_alone(whisper: Path) -> None:
    found = encoder(whisper).encode([sound(samples) for samples in LENGTHS])
    assert [len(one.frames) for one in found] == [-(-samples // HOP) for samples in LENGTHS]
    assert {one.rate for one in found} == {50.0}


def test_whisper_hears_silence_behind_a_wave_that_is_shorter_than_its_window(whisper: Path) -> None:
    wave = sound(10_000)
    [found] = encoder(whisper).encode([wave])
    close(found.frames, transformers_states(whisper, wave)[-1][: len(found.frames)])


def test_whisper_reads_a_long_wave_piece_by_piece(whisper: Path) -> None:
    wave = sound(2 * WHISPER_WINDOW + 5000)
    [found] = encoder(whisper).encode([wave])
    pieces = [wave[start : start + WHISPER_WINDOW] for start in range(0, len(wave), WHISPER_WINDOW)]
    expected = np.concatenate([transformers_states(whisper, piece)[-1] for piece in pieces])
    close(found.frames, expected[: -(-len(wave) // HOP)])


# -------------------------------------------------------------------------------------------- identity


def test_other_weights_have_another_identity(folder: Path, tmp_path: Path) -> None:
    other = save_speech_model(tmp_path / "other", folder.name, seed=1)
    assert encoder(folder).identity() == encoder(folder).identity()
    assert encoder(folder).identity() != encoder(other).identity()


def test_weights_above_the_layer_do_not_matter_to_the_identity(wavlm: Path, tmp_path: Path) -> None:
    other = changed(wavlm, tmp_path, "encoder.layers.2.feed_forward.output_dense.weight")
    assert encoder(wavlm, layer=2).identity() == encoder(other, layer=2).identity()
    assert encoder(wavlm, layer=3).identity() != encoder(other, layer=3).identity()


def test_normalisation_belongs_to_the_identity(wavlm: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(wavlm, tmp_path / "other"))
    rewrite(other / "preprocessor_config.json", do_normalize=True)
    assert encoder(wavlm).identity() != encoder(other).identity()


def test_what_says_how_to_train_does_not_belong_to_the_identity(wavlm: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(wavlm, tmp_path / "other"))
    rewrite(other / "config.json", layerdrop=0.5, mask_time_prob=0.3)
    assert encoder(wavlm).identity() == encoder(other).identity()


# ------------------------------------------------------------------------------- what can be wrong with it


def changed(folder: Path, root: Path, key: str, *, drop: bool = False) -> Path:
    """Return a copy of a model in which one weight is another, or missing."""
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(folder, root / "changed"))
    stored = load_file(copy / "model.safetensors")
    value = stored.pop(key)
    if not drop:
        stored[key] = value + 1
    save_file(stored, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def rewrite(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    "key",
    [
        "encoder.layers.1.attention.q_proj.weight",
        "feature_extractor.conv_layers.0.conv.weight",
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    ],
)
def test_weights_that_are_missing_are_an_error_and_not_random(wavlm: Path, tmp_path: Path, key: str) -> None:
    damaged = changed(wavlm, tmp_path, key, drop=True)
    with pytest.raises(PluginError, match=f"lacks weights, such as '{key}'"):
        encoder(damaged)


def test_a_vector_for_masked_frames_may_be_missing(wavlm: Path, tmp_path: Path) -> None:
    encoder(changed(wavlm, tmp_path, "masked_spec_embed", drop=True))


@pytest.mark.parametrize("layer", [4, -5, 12])
def test_a_layer_that_there_is_not_names_how_many_there_are(folder: Path, layer: int) -> None:
    with pytest.raises(PluginError, match=rf"layer: .* has 4 hidden states, 0 to 3, not {layer}"):
        encoder(folder, layer=layer)


def test_weights_for_another_number_of_states_name_how_many_there_are(wavlm: Path) -> None:
    with pytest.raises(PluginError, match=r"weights: .* has 4 hidden states, not 3"):
        encoder(wavlm, weights=[1, 1, 1])


@pytest.mark.parametrize("weights", [[0, 0, 0, 0], [1, -1, 1, 1], [1, float("inf"), 0, 0], [1, float("nan"), 0, 0], []])
def test_weights_that_make_no_mean_are_an_error(weights: list[float]) -> None:
    with pytest.raises(ValidationError, match=r"at least 0, and one of them above|finite number"):
        HuggingFaceSpeechOptions(weights=weights)


def test_layer_and_weights_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="layer and weights exclude each other"):
        HuggingFaceSpeechOptions(layer=0, weights=[1])


def test_a_text_model_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(PluginError, match=r"of the kind 'bert', not a supported speech encoder.*wavlm"):
        encoder(tiny_bert)


def test_a_folder_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"audio_encoder\.model: no folder '\./nowhere'"):
        encoder("./nowhere")


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"audio_encoder\.model: .* cannot be loaded"):
        encoder(tmp_path)


def test_a_file_of_weights_that_is_broken_is_an_error(wavlm: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(wavlm, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(PluginError, match=r"audio_encoder\.model: .* cannot be loaded"):
        encoder(broken)


def test_a_model_that_is_nowhere_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PluginError, match=r"'nobody/nothing' cannot be loaded.*set audio_encoder\.model to a folder"):
        encoder("nobody/nothing")


def test_a_name_that_the_hub_cannot_have_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"audio_encoder\.model: 'a/b/c' is neither a folder nor a valid model name"):
        encoder("a/b/c")


@pytest.mark.parametrize(("name", "normalised"), [("wavlm", False), ("hubert-large", True)])
def test_without_a_feature_extractor_convolutions_normalised_over_channels_mean_normalised_waves(
    folders: dict[str, Path], tmp_path: Path, name: str, *, normalised: bool
) -> None:
    wave = sound(9000)
    bare, stated = (Path(shutil.copytree(folders[name], tmp_path / copy)) for copy in ("bare", "stated"))
    (bare / "preprocessor_config.json").unlink()
    rewrite(stated / "preprocessor_config.json", do_normalize=normalised)
    [found], [expected] = encoder(bare).encode([wave]), encoder(stated).encode([wave])
    np.testing.assert_array_equal(found.frames, expected.frames)


def test_a_feature_extractor_that_does_not_fit_whisper_is_an_error(whisper: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(whisper, tmp_path / "other"))
    (other / "preprocessor_config.json").unlink()  # the usual one reads 30 s
    with pytest.raises(PluginError, match=r"extractor of '.*' gives 1500 frames, but its encoder reads 100"):
        encoder(other)


def test_the_feature_extractor_of_another_model_is_an_error(wavlm: Path, whisper: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(wavlm, tmp_path / "other"))
    shutil.copy(whisper / "preprocessor_config.json", other)
    with pytest.raises(PluginError, match=r"'.*' comes with the feature extractor of another model, WhisperFeature"):
        encoder(other)


# --------------------------------------------------------------------------------------- sharing a batch


@pytest.mark.parametrize("most", [1, 2, 100])
@pytest.mark.parametrize("lengths", [[], [5], [0, 0], [7, 3, 7, 7, 3, 9], list(range(20))])
def test_groups_hold_each_piece_once_and_share_a_length(lengths: list[int], most: int) -> None:
    groups = grouped(lengths, most)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(len({lengths[index] for index in group}) == 1 and len(group) <= most for group in groups)
    found = [lengths[group[0]] for group in groups]
    assert found == sorted(lengths if most == 1 else found, reverse=True), "the longest are encoded first"


def test_pieces_of_one_length_are_in_one_group() -> None:
    assert grouped([7, 3, 7, 7, 3, 9], 2) == [[5], [0, 2], [3], [1, 4]]


def test_an_error_in_a_group_is_the_error_of_the_batch() -> None:
    def work(group: list[int]) -> int:
        return 10 // group[0]

    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [[1], [0], [2]], 2)
    assert side_by_side(work, [[1], [5], [2]], 2) == [10, 2, 5]
    assert torch.get_num_threads() == threads
