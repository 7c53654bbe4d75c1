"""The audio stream against direct transcriptions of what it computes."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
from handmade import HALF, MIXED, MUTE, ONE, SHAPE, SILENT, frames, heard
from narrow import instance, present
from torch import Tensor, nn

from ecef_cli.api.components import ProsodyEncoder
from ecef_cli.network.audio import AudioStream, ConvolutionalFront, ConvolutionalPosition, FrameMasking, MeanFront
from ecef_cli.recipe.model import build_component
from ecef_cli.recipe.sections import Audio, Masking, Network
from ecef_cli.samples.batches import AudioBatch, collate

SMALL = Network(width=16, heads=4, layers=2, dropout=0.1)
FRONTS = ("mean", "convolution")

M = TypeVar("M", bound=nn.Module)


def disturbed(module: M) -> M:
    """Give every weight a value that a test can tell from none; fresh norms and vectors have ones and zeros."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def stream(*, front: str = "mean", prosody: bool = True, masking: Masking | None = None) -> AudioStream:
    torch.manual_seed(0)
    enc = build_component("prosody_encoder", "srdvc", {"frequency": 2, "resampling": False}) if prosody else None
    made = AudioStream(
        SHAPE.width,
        4,
        SMALL,
        audio=Audio(group=SHAPE.group, front=front),
        masking=masking or Masking(),
        prosody=None if enc is None else instance(ProsodyEncoder, enc).build(SMALL.width),
    )
    return disturbed(made).eval()


@pytest.fixture
def batch() -> AudioBatch:
    found = collate(MIXED, SHAPE).audio
    assert found is not None
    return found


def garbled(batch: AudioBatch) -> Tensor:
    """Return the frames with anything at all where the mask is false."""
    return torch.where(batch.frame_mask[..., None], batch.frames, 100 * torch.randn_like(batch.frames))


def test_the_mean_front_maps_the_mean_of_the_real_frames(batch: AudioBatch) -> None:
    front = disturbed(MeanFront(SHAPE.width, 16))
    found = front(garbled(batch), batch.frame_mask)
    for row, place in batch.frame_mask.any(dim=2).nonzero().tolist():
        real = [batch.frames[row, place, n] for n in range(SHAPE.group) if batch.frame_mask[row, place, n]]
        expected = front.project.weight @ (sum(real) / len(real)) + front.project.bias
        assert torch.allclose(found[row, place], expected, atol=1e-5)


def test_the_convolutional_front_frame_by_frame(batch: AudioBatch) -> None:
    front = disturbed(ConvolutionalFront(SHAPE.width, 16, SHAPE.group))
    found = front(batch.frames, batch.frame_mask)
    for row in range(len(batch.frames)):
        vectors = list(batch.frames[row].flatten(0, 1))
        real = batch.frame_mask[row].flatten().tolist()
        for layer, after in zip(front.convolutions, front.norms, strict=True):
            convolution, norm = instance(nn.Conv1d, layer), instance(nn.LayerNorm, after)
            halved = []
            for centre in range(0, len(vectors), 2):
                seen = present(convolution.bias).clone()
                for k in range(5):
                    at = centre + k - 2
                    if 0 <= at < len(vectors) and real[at]:
                        seen = seen + convolution.weight[:, :, k] @ vectors[at]
                centred = seen - seen.mean()
                normed = centred / (centred.square().mean() + norm.eps).sqrt() * norm.weight + norm.bias
                halved.append(nn.functional.gelu(normed))
            vectors, real = halved, real[::2]
        assert len(front.convolutions) == 2
        for place in range(len(vectors)):
            expected = vectors[place] if real[place] else torch.zeros(16)
            assert torch.allclose(found[row, place], expected, atol=1e-5), (row, place)


@pytest.mark.parametrize("group", [2, 8, 16])
def test_the_convolutional_front_makes_one_vector_a_position(group: int) -> None:
    front = ConvolutionalFront(5, 16, group)
    assert front(torch.randn(3, 7, group, 5), torch.ones(3, 7, group, dtype=torch.bool)).shape == (3, 7, 16)


@pytest.mark.parametrize("front", FRONTS)
def test_what_stands_where_there_is_no_frame_is_never_seen(front: str, batch: AudioBatch) -> None:
    net = stream(front=front)
    for _ in range(3):
        mixed = AudioBatch(garbled(batch), batch.frame_mask, batch.mask, batch.turns)
        assert torch.equal(net(mixed)[batch.mask], net(batch)[batch.mask])


@pytest.mark.parametrize("front", FRONTS)
def test_real_frames_are_all_seen(front: str, batch: AudioBatch) -> None:
    net = stream(front=front)
    before = net(batch)
    for row, place, frame in batch.frame_mask.nonzero().tolist():
        louder = batch.frames.clone()
        louder[row, place, frame] += 1
        after = net(AudioBatch(louder, batch.frame_mask, batch.mask, batch.turns))
        others = [n for n in range(len(louder)) if n != row]
        assert (after[row, place] - before[row, place]).abs().max() > 1e-5
        assert torch.equal(after[others], before[others])


@pytest.mark.parametrize("front", FRONTS)
def test_a_window_is_the_same_alone_and_in_a_batch(front: str, batch: AudioBatch) -> None:
    net = stream(front=front)
    together = net(batch)
    for row, window in enumerate(MIXED):
        alone = net(collate([window], SHAPE).audio)[0]
        assert torch.allclose(together[row, : len(alone)], alone, atol=1e-5)


def test_a_position_learns_its_place_from_those_around_it_that_are_real() -> None:
    position = disturbed(ConvolutionalPosition(8, 4))
    features, mask = torch.randn(2, 20, 8), torch.ones(2, 20, dtype=torch.bool)
    mask[1, 9:] = False
    found = position(features, mask)
    weight, bias = position.around.weight, present(position.around.bias)
    for row, place, channel in ((0, 0, 0), (0, 10, 3), (1, 8, 7)):
        group = channel // 2  # four groups of two channels
        seen = bias[channel]
        for k in range(15):
            at = place + k - 7
            if 0 <= at < 20 and mask[row, at]:
                seen = seen + weight[channel, :, k] @ features[row, at, 2 * group : 2 * group + 2]
        expected = features[row, place, channel] + nn.functional.gelu(seen)
        assert torch.allclose(found[row, place, channel], expected, atol=1e-5)


def test_time_has_an_order(batch: AudioBatch) -> None:
    net = stream(prosody=False)
    turned = AudioBatch(batch.frames[:1].flip(1), batch.frame_mask[:1].flip(1), batch.mask[:1].flip(1), batch.turns[:1])
    apart = net(turned).flip(1) - net(AudioBatch(*(getattr(batch, k)[:1] for k in AudioBatch.__slots__)))
    assert apart.abs().max() > 1e-2


def test_equation_2_position_by_position(batch: AudioBatch) -> None:
    net = stream()
    h = net.extraction(net.position(_fronted(net, batch), batch.mask), batch.turns, batch.mask)
    enc, norm = present(net.prosody)(h, batch.mask), present(net.norm)
    found = net(batch)
    for row, place in batch.mask.nonzero().tolist():
        centred = enc[row, place] - enc[row, place].mean()
        normed = centred / (centred.square().mean() + norm.eps).sqrt() * norm.weight + norm.bias
        assert torch.allclose(found[row, place], h[row, place] + normed, atol=1e-5)


def test_without_prosody_enhancement_the_audio_features_pass_as_they_are(batch: AudioBatch) -> None:
    net = stream(prosody=False)
    h = net.extraction(net.position(_fronted(net, batch), batch.mask), batch.turns, batch.mask)
    assert torch.equal(net(batch), h)
    assert net.norm is None


def _fronted(net: AudioStream, batch: AudioBatch) -> Tensor:
    """Return one vector a position: of its frames, or the one that stands for no recording."""
    fronted: Tensor = net.front(batch.frames, batch.frame_mask)
    for row, place in (~batch.frame_mask.any(dim=2)).nonzero().tolist():
        fronted[row, place] = net.absent
    return fronted


def test_an_utterance_without_a_recording_stands_with_a_vector_that_is_learned() -> None:
    net, batch = stream(), collate([HALF, MUTE], SHAPE).audio
    before = net(batch).detach()
    net(batch)[0, 0].sum().backward()
    assert present(net.absent.grad).abs().sum() > 0
    with torch.no_grad():
        net.absent.add_(torch.randn(16))
    after = net(batch).detach()
    assert not torch.allclose(after[0], before[0], atol=1e-3)
    assert torch.equal(after[1, :2], before[1, :2])


def stretches(hidden: list[bool]) -> int:
    return sum(now and not before for before, now in zip([False, *hidden], hidden, strict=False))


@pytest.mark.parametrize(("times", "channels"), [(1, 0), (0, 1), (2, 3)])
def test_masking_hides_stretches_up_to_the_stated_shares(times: int, channels: int) -> None:
    masking = FrameMasking(Masking(times=times, channels=channels))
    torch.manual_seed(0)
    shown = torch.rand(200, 40, 3, 21) + 1
    found = masking(shown)
    hidden = found == 0
    assert torch.equal(found[~hidden], shown[~hidden])
    whole_times, whole_channels = hidden.all(dim=(2, 3)), hidden.all(dim=(1, 2))
    assert torch.equal(hidden, (whole_times[:, :, None, None] | whole_channels[:, None, None, :]).expand_as(hidden))
    for kind, count, longest in ((whole_times, times, 40 // 10), (whole_channels, channels, 21 // 7)):
        sizes = kind.sum(dim=1)
        assert sizes.max() <= count * longest
        assert kind.any(dim=0).tolist() == [count > 0] * kind.shape[1]
        assert all(stretches(row) <= count for row in kind.tolist())
        if count == 1:
            assert set(sizes.tolist()) == set(range(longest + 1))
    assert len({tuple(row.flatten().tolist()) for row in hidden}) > 20


def test_masking_is_for_training_alone() -> None:
    shown = torch.rand(20, 40, 3, 21) + 1
    masking = FrameMasking(Masking(times=5, channels=5))
    before = torch.get_rng_state()
    assert torch.equal(masking.eval()(shown), shown)
    assert torch.equal(FrameMasking(Masking()).train()(shown), shown)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(masking.train()(shown), shown)


def test_in_training_a_stream_hears_something_else_each_time() -> None:
    net, batch = stream(masking=Masking(times=2)), collate([heard(ONE, frames(60), frames(60))] * 8, SHAPE).audio
    for module in net.modules():
        if isinstance(module, nn.Dropout | nn.MultiheadAttention):
            module.p = module.dropout = 0.0
    assert torch.equal(net(batch), net(batch))
    net.train()
    assert not torch.equal(net(batch), net(batch))


@pytest.mark.parametrize("front", FRONTS)
def test_a_window_without_any_recording_is_still_a_number(front: str) -> None:
    net = stream(front=front)
    assert net(collate([SILENT], SHAPE).audio).isfinite().all()
