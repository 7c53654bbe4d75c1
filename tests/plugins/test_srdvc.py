"""The prosody encoder against slow transcriptions of what SRD-VC computes, one sequence at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from narrow import instance, present
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from ecef_speech.srdvc import MaskedGroupNorm, Prosody, SrdVc, SrdVcOptions, TimeWarp, Tower

WIDTH = 12


def prosody(**options: Any) -> Prosody:
    torch.manual_seed(0)
    module = SrdVc(SrdVcOptions(**options)).build(WIDTH)
    assert isinstance(module, Prosody)
    for name, parameter in module.named_parameters():
        if "norms" in name:  # which start as ones and zeros
            nn.init.uniform_(parameter, 0.5, 1.5)
    return module


def padded(*lengths: int, width: int = WIDTH) -> tuple[Tensor, Tensor]:
    """Return sequences (B, T, d) of random values, with noise where they are padded, and their mask."""
    torch.manual_seed(len(lengths))
    length = max(lengths) + 2
    return torch.randn(len(lengths), length, width), torch.arange(length)[None] < torch.tensor(lengths)[:, None]


def bidirectional(tower: Tower) -> nn.LSTM:
    """Return PyTorch's bidirectional LSTM with the weights of a tower's two."""
    size, hidden = tower.forwards.input_size, tower.forwards.hidden_size
    lstm = nn.LSTM(size, hidden, batch_first=True, bidirectional=True)
    copied = dict(tower.forwards.state_dict())
    copied |= {f"{key}_reverse": value for key, value in tower.backwards.state_dict().items()}
    lstm.load_state_dict(copied)
    return lstm


def convolved(tower: Tower, frames: Tensor) -> Tensor:
    """Return what reaches the LSTM of a tower, (T, channels) of frames (T, d)."""
    found = frames.T[None]
    for layer, after in zip(tower.convolutions, tower.norms, strict=True):
        convolution, norm = instance(nn.Conv1d, layer), instance(nn.GroupNorm, after)
        found = functional.conv1d(found, convolution.weight, convolution.bias, padding=2)
        found = functional.relu(functional.group_norm(found, norm.num_groups, norm.weight, norm.bias))
    return found[0].T


def sampled(tower: Tower, frames: Tensor, frequency: int) -> list[Tensor]:
    """Return of each frame the forward state at its stretch's end and the backward state at its start."""
    states = bidirectional(tower)(convolved(tower, frames)[None])[0][0]
    hidden = tower.forwards.hidden_size
    found = []
    for frame in range(len(frames)):
        start = frame - frame % frequency
        end = min(start + frequency, len(frames)) - 1
        found.append(torch.cat([states[end, :hidden], states[start, hidden:]]))
    return found


# ------------------------------------------------------------------------------------------- in evaluation


@pytest.mark.parametrize("length", [1, 7, 8, 9, 16, 21, 40])
@pytest.mark.parametrize("frequency", [8, 3, 1])
def test_every_frame_has_rhythm_and_pitch_of_its_stretch_of_frames(length: int, frequency: int) -> None:
    module = prosody(frequency=frequency).eval()
    frames, mask = padded(length, 30, 3)
    found = module(frames, mask)
    rhythm, pitch = (sampled(tower, frames[0, :length], frequency) for tower in (module.rhythm, module.pitch))
    for frame in range(length):
        expected = module.join.weight @ torch.cat([rhythm[frame], pitch[frame]])
        torch.testing.assert_close(found[0, frame], expected, atol=1e-5, rtol=1e-5)


def test_states_are_taken_at_frames_7_and_15_forwards_and_at_0_and_8_backwards_and_repeated_8_times() -> None:
    forward, backward = torch.arange(20.0)[None, :, None], torch.arange(100.0, 120.0)[None, :, None]
    found = prosody()._sampled((forward, backward), torch.ones(1, 20, dtype=torch.bool))[0].tolist()
    assert found == [[7, 100]] * 8 + [[15, 108]] * 8 + [[19, 116]] * 4


def test_a_stretch_that_padding_cuts_short_ends_where_its_sequence_does() -> None:
    states = torch.arange(20.0)[None, :, None]
    mask = torch.arange(20)[None] < 11
    found = prosody()._sampled((states, states), mask)[0].tolist()
    assert found[:11] == [[7, 0]] * 8 + [[10, 8]] * 3


def test_padded_frames_are_zero() -> None:
    frames, mask = padded(5, 9)
    assert not prosody().eval()(frames, mask)[~mask].any()


def test_the_norm_is_group_norm_of_the_real_frames() -> None:
    torch.manual_seed(0)
    norm = MaskedGroupNorm(4, 8)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    frames, mask = padded(1, 6, 17, width=8)
    frames = 3 * frames + 5
    found = norm(frames.transpose(1, 2), mask)
    for row, length in enumerate((1, 6, 17)):
        real = frames[row : row + 1, :length].transpose(1, 2)
        expected = functional.group_norm(real, 4, norm.weight, norm.bias)
        torch.testing.assert_close(found[row : row + 1, :, :length], expected, atol=1e-5, rtol=1e-5)


def test_the_two_lstms_are_a_bidirectional_one_on_the_sequence_without_its_padding() -> None:
    torch.manual_seed(0)
    tower = Tower(WIDTH, 16, 2, 3, layers=1, warp=None).eval()
    frames, mask = padded(1, 6, 17)
    forward, backward = tower(frames, mask)
    for row, length in enumerate((1, 6, 17)):
        expected = bidirectional(tower)(convolved(tower, frames[row, :length])[None])[0][0]
        found = torch.cat([forward, backward], dim=-1)[row, :length]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_encoders_of_srd_vc_s_inputs_have_srd_vc_s_numbers_of_parameters() -> None:
    def count(width: int, tower: str) -> int:
        return sum(p.numel() for p in getattr(Prosody(width, SrdVcOptions()), tower).parameters())

    assert count(80, "rhythm") == 52_632
    assert count(257, "pitch") == 1_060_864


def test_their_groups_and_how_time_is_warped_are_srd_vc_s_too() -> None:
    module = Prosody(WIDTH, SrdVcOptions())
    assert [norm.num_groups for norm in module.rhythm.norms] == [8]
    assert [norm.num_groups for norm in module.pitch.norms] == [16] * 3
    assert SrdVcOptions().model_dump() == {
        "frequency": 8,
        "pitch_layers": 3,
        "resampling": True,
        "shortest_segment": 19,
        "longest_segment": 32,
        "slowest": 1.5,
        "fastest": 0.5,
    }


def test_convolutions_start_after_glorot_with_the_gain_of_relu() -> None:
    [layer] = Prosody(80, SrdVcOptions()).rhythm.convolutions
    convolution = instance(nn.Conv1d, layer)
    bound = (2 * 6 / (5 * (80 + 128))) ** 0.5
    assert 0.99 * bound < float(convolution.weight.detach().abs().max()) <= bound


def test_rhythm_and_pitch_are_joined_by_a_linear_map_without_bias() -> None:
    module = prosody()
    assert (module.join.in_features, module.join.out_features) == (66, WIDTH)
    assert module.join.bias is None


# --------------------------------------------------------------------------------------------- in training


def test_random_resampling_changes_pitch_and_never_rhythm() -> None:
    module = prosody().train()
    frames, mask = padded(100, 60)
    first, second = ([tower(frames, mask)[0][mask] for tower in (module.rhythm, module.pitch)] for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert not torch.allclose(first[1], second[1], atol=1e-3)


def test_resampling_knows_where_each_sequence_ends() -> None:
    module = prosody().train()
    frames, mask = padded(100, 60)
    masks = []
    present(module.pitch.warp).register_forward_pre_hook(lambda _module, given: masks.append(given[1]))
    module(frames, mask)
    assert len(masks) == 3
    assert all(torch.equal(found, mask) for found in masks)


def test_nothing_is_resampled_in_evaluation_or_where_the_recipe_says_so() -> None:
    frames, mask = padded(100, 60)
    resampling, plain = prosody(), prosody(resampling=False)
    expected = resampling.eval()(frames, mask)
    torch.testing.assert_close(plain.train()(frames, mask), expected)
    assert not torch.allclose(resampling.train()(frames, mask), expected, atol=1e-3)


def test_where_every_segment_keeps_its_speed_training_is_evaluation_and_blind_to_padding_too() -> None:
    module = prosody(slowest=1.0, fastest=1.0)
    frames, mask = padded(100, 60, 1)
    torch.testing.assert_close(module.train()(frames, mask), module.eval()(frames, mask), atol=1e-4, rtol=1e-4)


def warped(lengths: list[int], **options: Any) -> tuple[Tensor, Tensor]:
    """Return the times, in frames of the original, that warped frames are taken from, and the mask."""
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    times = torch.arange(float(max(lengths))).expand(len(lengths), 1, -1)
    return TimeWarp(SrdVcOptions(**options))(times, mask)[:, 0], mask


@pytest.mark.parametrize("seed", range(5))
def test_a_warped_sequence_keeps_its_length_its_ends_and_its_order(seed: int) -> None:
    torch.manual_seed(seed)
    lengths = [1, 2, 19, 20, 33, 100, 257]
    times, mask = warped(lengths)
    assert times.shape == mask.shape
    for row, length in zip(times, lengths, strict=True):
        assert row[0] == 0
        assert row[length - 1] == pytest.approx(length - 1, abs=1e-3)
        assert (row[:length].diff() > 0).all()


def test_every_pass_draws_anew_and_so_does_every_sequence_of_a_batch() -> None:
    torch.manual_seed(0)
    first, second = warped([200, 200])[0], warped([200, 200])[0]
    assert not torch.allclose(first, second, atol=0.5)
    assert not torch.allclose(first[0], first[1], atol=0.5)


def test_speed_is_one_within_a_segment_and_at_most_three_times_that_of_another() -> None:
    torch.manual_seed(0)
    size, count = 10, 30
    times = warped([size * count + 1], shortest_segment=size, longest_segment=size)[0][0].double()
    segment = (times + 1e-3).div(size).floor()
    speeds = []
    for number in range(count):
        within = times[segment == number].diff()
        assert (within - within.mean()).abs().max() < 1e-3
        speeds.append(float(within.mean()))
    assert len({round(speed, 3) for speed in speeds}) > count // 2
    assert 2 < max(speeds) / min(speeds) < 3


def test_segments_are_drawn_from_the_shortest_to_the_longest() -> None:
    """Direct transcription: the same draws, segment by segment."""
    options, lengths = SrdVcOptions(), [150, 141]
    torch.manual_seed(7)
    times, _ = warped(lengths)
    torch.manual_seed(7)
    drawn = torch.randint(options.shortest_segment, options.longest_segment + 1, (2, 8)).tolist()
    factors = torch.empty((2, 8)).uniform_(options.fastest, options.slowest).tolist()
    for row, length in enumerate(lengths):
        old, new = [0.0], [0.0]
        for size, factor in zip(drawn[row], factors[row], strict=True):
            end = min(old[-1] + size, length - 1)
            new.append(new[-1] + (end - old[-1]) * factor)
            old.append(end)
        new = [time * (length - 1) / new[-1] for time in new]
        for frame in range(length):
            segment = max(s for s in range(8) if new[s] <= frame + 1e-4 and old[s + 1] > old[s])
            share = (frame - new[segment]) / (new[segment + 1] - new[segment])
            expected = old[segment] + share * (old[segment + 1] - old[segment])
            assert float(times[row, frame]) == pytest.approx(expected, abs=1e-3)


def test_frames_between_two_are_interpolated_and_padding_is_never_looked_at() -> None:
    torch.manual_seed(0)
    lengths = [40, 90]
    mask = torch.arange(90)[None] < torch.tensor(lengths)[:, None]
    frames = torch.randn(2, 3, 90)
    noisy = torch.where(mask[:, None], frames, float("nan"))
    torch.manual_seed(1)
    times = TimeWarp(SrdVcOptions())(torch.arange(90.0).expand(2, 1, -1), mask)[:, 0]
    torch.manual_seed(1)
    found = TimeWarp(SrdVcOptions())(noisy, mask)
    for row, length in enumerate(lengths):
        for frame in range(length):
            time = float(times[row, frame])
            below = min(int(time), length - 2)
            expected = torch.lerp(frames[row, :, below], frames[row, :, below + 1], time - below)
            torch.testing.assert_close(found[row, :, frame], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shortest_segment": 33}, "longest_segment is below shortest_segment"),
        ({"slowest": 0.4}, "slowest is below fastest"),
        ({"frequency": 0}, "greater than or equal to 1"),
        ({"fastest": 0}, "greater than 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        SrdVcOptions(**options)
