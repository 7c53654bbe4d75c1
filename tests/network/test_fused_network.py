"""Text and audio in one network: which of them answers, what is dropped in training, what stays frozen."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from handmade import BOTH, HALF, MIXED, MUTE, SHAPE, SILENT
from narrow import instance, present
from torch import Tensor, nn

from ecef_cli.api.components import FusedStreams, Fusion, FusionInput, ProsodyEncoder, SecondStepInput
from ecef_cli.network.audio import AudioStream
from ecef_cli.network.model import EcefNetwork, Patches, TextStream
from ecef_cli.recipe.model import build_component
from ecef_cli.recipe.sections import Audio, Masking, ModalityDropout, Network
from ecef_cli.samples.batches import AudioShape, Batch, WindowInput, collate

SMALL = Network(width=16, heads=4, layers=1, dropout=0.0)
TASKS = ("erc", "epc")
LABELS = 7


def network(
    *modalities: str,
    fusion: str = "cross-attention",
    second: nn.Module | None = None,
    settings: Network = SMALL,
    prosody: bool = True,
    **changes: Any,
) -> EcefNetwork:
    """Return a network with random weights, of text and audio where no modality is given."""
    torch.manual_seed(0)
    read = modalities or ("text", "audio")
    prosodic = instance(ProsodyEncoder, build_component("prosody_encoder", "srdvc", {"resampling": False}))
    enc = prosodic.build(settings.width) if prosody else None
    options = {"heads": 4, "dropout": 0} if fusion == "cross-attention" else {}
    fused = instance(Fusion, build_component("fusion", fusion, options))
    audio = Audio(group=SHAPE.group, front="convolution")
    net = EcefNetwork(
        settings,
        tasks=TASKS,
        labels=LABELS,
        text=TextStream(3, 4, settings, top=None, kwrt=True) if "text" in read else None,
        audio=AudioStream(SHAPE.width, 4, settings, audio=audio, masking=Masking(), prosody=enc)
        if "audio" in read
        else None,
        fusion=fused.build(settings.width) if set(read) == {"text", "audio"} else None,
        second=second,
        **changes,
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net.eval()


def separate(net: EcefNetwork, windows: Sequence[WindowInput]) -> dict[str, Mapping[str, Tensor]]:
    """Return what the classifiers say of F_t, of F_a and of F_ta."""
    batch = collate(windows, SHAPE)
    words, audio = present(net.text)(batch.text), present(net.audio)(batch.audio)
    fused = present(net.fusion)(FusionInput(words, present(batch.text).mask, audio, present(batch.audio).mask))
    return {
        "text": present(net.text_heads)(words, batch.text),
        "audio": present(net.audio_heads)(audio, batch.audio),
        "fused": present(net.audio_heads)(fused, batch.audio),
    }


def test_from_audio_alone_its_own_features_are_classified() -> None:
    net = network("audio")
    batch = collate([BOTH, MUTE], SHAPE)
    features = present(net.audio)(batch.audio)
    assert net.text_heads is None
    for task, positions in (("erc", slice(3, 5)), ("epc", slice(0, 5))):
        expected = present(net.audio_heads).classifiers[task](features[0, positions].mean(dim=0))
        assert torch.allclose(net(batch)[task][0], expected, atol=1e-6)


def test_from_both_the_fused_features_are_classified() -> None:
    net = network()
    batch = collate([BOTH, HALF], SHAPE)
    fused = present(net.fusion)(
        FusionInput(
            present(net.text)(batch.text),
            present(batch.text).mask,
            present(net.audio)(batch.audio),
            present(batch.audio).mask,
        )
    )
    erc = present(net.audio_heads).classifiers["erc"](fused[0, 3:5].mean(dim=0))
    epc = present(net.audio_heads).classifiers["epc"](fused[0, :5].mean(dim=0))
    assert torch.allclose(net(batch)["erc"][0], erc, atol=1e-6)
    assert torch.allclose(net(batch)["epc"][0], epc, atol=1e-6)


@pytest.mark.parametrize("windows", [[SILENT], [SILENT, SILENT], [BOTH, SILENT, MUTE, HALF, SILENT]])
def test_a_window_without_any_recording_is_answered_by_the_text_bit_for_bit(windows: list[WindowInput]) -> None:
    net, alone = network(), network("text")
    alone.load_state_dict({k: v for k, v in net.state_dict().items() if k.startswith("text")})
    found, expected = net(collate(windows, SHAPE)), alone(collate(windows))
    silent = [n for n, window in enumerate(windows) if window is SILENT]
    for task in TASKS:
        assert torch.equal(found[task][silent], expected[task][silent])
        others = [n for n in range(len(windows)) if n not in silent]
        assert not others or not torch.isclose(found[task][others], expected[task][others]).any()


def test_a_window_in_which_nobody_says_a_word_is_answered_by_the_audio() -> None:
    net, windows = network(), [BOTH, MUTE, SILENT]
    found, parts = net(collate(windows, SHAPE)), separate(net, windows)
    for task in TASKS:
        assert torch.allclose(found[task][1], parts["audio"][task][1], atol=1e-6)
        assert not torch.allclose(found[task][1], parts["fused"][task][1], atol=1e-3)
        assert torch.allclose(found[task][0], parts["fused"][task][0], atol=1e-6)


@pytest.mark.parametrize("fusion", ["cross-attention", "concat"])
def test_every_window_is_the_same_alone_and_among_others(fusion: str) -> None:
    net = network(fusion=fusion)
    together = net(collate(MIXED, SHAPE))
    for row, window in enumerate(MIXED):
        alone = net(collate([window], SHAPE))
        for task in TASKS:
            assert torch.allclose(together[task][row], alone[task][0], atol=1e-5), (row, task)


COPIES = 600


def dropped(audio: float, text: float, windows: Sequence[WindowInput]) -> dict[str, float]:
    """Return the shares of windows that are answered from each in training."""
    net = network(dropout=ModalityDropout(audio=audio, text=text))
    many = [window for window in windows for _ in range(COPIES // len(windows))]
    parts = separate(net, many)
    answers = net.train()(collate(many, SHAPE))["epc"]
    matches = {name: torch.isclose(answers, values["epc"], atol=1e-4).all(dim=1) for name, values in parts.items()}
    assert (torch.stack([*matches.values()]).sum(dim=0) == 1).all()
    return {name: m.float().mean().item() for name, m in matches.items()}


@pytest.mark.parametrize(("audio", "text"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.25, 0.5), (0.4, 0.6)])
def test_in_training_the_stated_shares_lose_a_modality_and_never_both(audio: float, text: float) -> None:
    found = dropped(audio, text, [BOTH, HALF])
    assert found["text"] == pytest.approx(audio, abs=0.07 * (audio > 0))
    assert found["audio"] == pytest.approx(text, abs=0.07 * (text > 0))


def test_a_window_of_one_modality_keeps_it() -> None:
    assert dropped(0.4, 0.6, [SILENT])["text"] == 1
    assert dropped(0.4, 0.6, [MUTE])["audio"] == 1


def test_what_is_dropped_is_drawn_by_the_generator_of_torch() -> None:
    net, batch = network(dropout=ModalityDropout(audio=0.4, text=0.3)).train(), collate([BOTH] * 40, SHAPE)
    torch.manual_seed(5)
    first, second = net(batch)["erc"], net(batch)["erc"]
    torch.manual_seed(5)
    assert torch.equal(net(batch)["erc"], first)
    assert not torch.equal(first, second)


def test_evaluation_drops_nothing() -> None:
    net, plain = network(dropout=ModalityDropout(audio=0.4, text=0.6)), network()
    batch = collate([BOTH] * 40, SHAPE)
    assert torch.equal(net(batch)["erc"], plain(batch)["erc"])


NOISY = Network(width=16, heads=4, layers=1, dropout=0.5)


def test_frozen_text_has_no_gradient_does_not_change_and_has_no_dropout() -> None:
    net = network(settings=NOISY, frozen=["text"], dropout=ModalityDropout(audio=0.3, text=0.2)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    batch = collate([BOTH, HALF, SILENT, MUTE] * 5, SHAPE)
    for _ in range(3):
        optimizer.zero_grad()
        net(batch)["erc"].square().sum().backward()
        optimizer.step()
    frozen = [(k, p) for k, p in net.named_parameters() if k.startswith("text")]
    assert len(frozen) == sum(k.startswith(("text.", "text_heads.")) for k in before) > 10
    assert all(p.grad is None and not p.requires_grad for _, p in frozen)
    for key, value in net.state_dict().items():
        if key.startswith("text"):
            assert torch.equal(value, before[key])
    for changed in ("audio.front", "audio.prosody", "audio.norm", "fusion", "audio_heads"):
        assert any(k.startswith(changed) and not torch.equal(v, before[k]) for k, v in net.state_dict().items())
    silent = collate([SILENT] * 3, SHAPE)
    assert torch.equal(net(silent)["erc"], net(silent)["erc"])
    assert net.training
    assert present(net.audio).training
    assert not any(module.training for part in (net.text, net.text_heads) for module in present(part).modules())


def test_what_is_not_frozen_has_dropout_in_training() -> None:
    net, silent = network(settings=NOISY).train(), collate([SILENT] * 3, SHAPE)
    assert not torch.equal(net(silent)["erc"], net(silent)["erc"])


def test_frozen_audio_leaves_the_classifiers_of_the_fused_features_to_be_trained() -> None:
    net = network(frozen=["audio"]).train()
    assert not any(p.requires_grad for p in present(net.audio).parameters())
    assert all(p.requires_grad for part in (net.audio_heads, net.fusion, net.text) for p in present(part).parameters())
    assert not present(net.audio).training
    assert present(net.audio_heads).training


def test_a_copy_of_a_network_freezes_its_own_parts() -> None:
    net = network(settings=NOISY, frozen=["text"])
    twin = copy.deepcopy(net).train()
    assert not present(twin.text).training
    net.train()
    twin.eval()
    assert isinstance(net.audio, nn.Module)
    assert net.audio.training
    assert not present(twin.audio).training


def test_every_weight_that_is_not_frozen_is_reached_by_a_batch_of_all_kinds() -> None:
    for frozen in ([], ["text"]):
        net = network(frozen=frozen).train()
        logits = net(collate([BOTH, HALF, SILENT, MUTE], SHAPE))
        sum(values.square().sum() for values in logits.values()).backward()
        unreached = [k for k, p in net.named_parameters() if p.requires_grad and p.grad is None]
        assert unreached == []


# ------------------------------------------------------------------------------------------------ second step


class Marked(nn.Module):
    """A second step whose streams say what came in: F_ta doubled, and of each patch its frames' means and a one."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Linear(SPECTRUM.width, SMALL.width)

    def forward(self, inputs: SecondStepInput) -> FusedStreams:
        assert inputs.frames.shape[2:] == (SPECTRUM.group, SPECTRUM.width)
        low, high = self.widen(inputs.frames.mean(dim=2)), self.widen(inputs.frames.amax(dim=2))
        return FusedStreams(2 * inputs.fused, torch.stack([low, high], dim=2).flatten(1, 2))


SPECTRUM = AudioShape(width=14, group=3, positions=50)


def with_spectra(window: WindowInput) -> WindowInput:
    """Return a window whose recordings have a spectrum too, of as many frames."""
    chance = np.random.default_rng(1)
    spectra = [
        None if frames is None else chance.standard_normal((len(frames), SPECTRUM.width)).astype(np.float32)
        for frames in present(window.recordings)
    ]
    return replace(window, spectra=spectra)


def test_the_logits_of_both_streams_are_averaged() -> None:
    torch.manual_seed(1)
    net, windows = network(second=Marked()), [with_spectra(window) for window in (BOTH, HALF)]
    batch = collate(windows, SHAPE, SPECTRUM)
    fused = present(net.fusion)(
        FusionInput(
            present(net.text)(batch.text),
            present(batch.text).mask,
            present(net.audio)(batch.audio),
            present(batch.audio).mask,
        )
    )
    found = net(batch)
    spectrum, audio = present(batch.spectrum), present(batch.audio)
    widen = instance(Marked, net.second).widen
    for row in range(2):
        patches, real, last = spectrum.frames[row], spectrum.mask[row], spectrum.target[row]
        stream = torch.stack([widen(patches.mean(1)), widen(patches.amax(1))], dim=1)
        for task, chosen, positions in (("erc", last, audio.target), ("epc", real, audio.mask)):
            from_fused = present(net.audio_heads).classifiers[task](2 * fused[row][positions[row]].mean(dim=0))
            from_spectrum = present(net.spectrum_heads).classifiers[task](stream[chosen].flatten(0, 1).mean(dim=0))
            assert torch.allclose(found[task][row], (from_fused + from_spectrum) / 2, atol=1e-5)


def test_from_audio_alone_the_second_step_has_f_a_in_place_of_f_ta() -> None:
    torch.manual_seed(1)
    net = network("audio", second=Marked())
    batch = collate([with_spectra(BOTH)], SHAPE, SPECTRUM)
    image = present(batch.spectrum)
    given = SecondStepInput(
        present(net.audio)(batch.audio), present(batch.audio).mask, image.frames, image.frame_mask, image.mask
    )
    streams = present(net.second)(given)
    expected = present(net.audio_heads)(streams.fused, batch.audio)["epc"]
    assert not torch.allclose(net(batch)["epc"], expected, atol=1e-3)
    assert torch.allclose(
        2 * net(batch)["epc"] - expected, present(net.spectrum_heads)(streams.spectrum, _twice(batch))["epc"]
    )


def _twice(batch: Batch) -> Patches:
    return Patches.of(present(batch.spectrum), 2 * present(batch.spectrum).mask.shape[1])


def test_windows_without_a_recording_are_answered_by_the_text_beside_a_second_step() -> None:
    net, plain = network(second=Marked()), network("text")
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if k.startswith("text")})
    windows = [with_spectra(window) for window in (BOTH, SILENT, MUTE)]
    assert torch.equal(net(collate(windows, SHAPE, SPECTRUM))["erc"][1], plain(collate(windows))["erc"][1])


def test_the_spectrum_is_masked_in_training_alone() -> None:
    net = network(second=Marked(), masking=Masking(times=9, channels=9))
    batch = collate([with_spectra(BOTH)], SHAPE, SPECTRUM)
    assert torch.equal(net(batch)["epc"], net(batch)["epc"])
    net.train()
    assert len({net(batch)["epc"][0, 0].item() for _ in range(8)}) > 1
