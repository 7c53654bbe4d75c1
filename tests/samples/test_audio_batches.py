"""Batches of recordings: frames in positions, padding, and what is left out where there are too many."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from handmade import BOTH, HALF, MIXED, MUTE, ONE, SHAPE, SHORT, SILENT, frames, heard
from narrow import present

from ecef_cli.samples.batches import AudioBatch, AudioShape, TextBatch, WindowInput, collate


def window(*recordings: np.ndarray | None) -> WindowInput:
    """Return a window without text."""
    return WindowInput(None, np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64), {}, recordings=recordings)


def numbered(number: int, count: int) -> np.ndarray:
    return np.full((count, 1), number, dtype=np.float32)


def written_out(found: WindowInput, shape: AudioShape) -> list[tuple[int, np.ndarray]]:
    """Return each position of a window, in how many turns ago it is spoken and its frames."""
    positions: list[tuple[int, np.ndarray]] = []
    recordings = present(found.recordings)
    for ago, recording in zip(range(len(recordings) - 1, -1, -1), recordings, strict=True):
        if recording is None:
            positions.append((ago, np.zeros((0, shape.width))))
            continue
        starts = range(0, len(recording), shape.group)
        positions += [(ago, recording[start : start + shape.group]) for start in starts]
    return positions[-shape.positions :]


@pytest.mark.parametrize("group", [1, 2, 3, 4, 50])
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_a_batch_holds_what_each_window_holds_written_out(group: int, limit: int) -> None:
    shape = replace(SHAPE, group=group, positions=limit)
    windows = [*MIXED, window(frames(1), None, frames(8, 1), frames(8, 2))]
    batch = present(collate([replace(w, labels={}, features=None) for w in windows], shape).audio)
    expected = [written_out(w, shape) for w in windows]
    assert batch.frames.shape == (len(windows), max(map(len, expected)), group, shape.width)
    for row, positions in enumerate(expected):
        assert batch.mask[row].tolist() == [n < len(positions) for n in range(batch.mask.shape[1])]
        for place, (ago, found) in enumerate(positions):
            assert batch.turns[row, place] == ago
            assert batch.frame_mask[row, place].tolist() == [n < len(found) for n in range(group)]
            np.testing.assert_array_equal(batch.frames[row, place, : len(found)], found)


def test_no_position_holds_frames_of_two_utterances() -> None:
    batch = present(collate([window(numbered(3, 6), numbered(2, 4), numbered(1, 1))], AudioShape(1, 4, 100)).audio)
    assert batch.frames[0, ..., 0].tolist() == [[3, 3, 3, 3], [3, 3, 0, 0], [2, 2, 2, 2], [1, 0, 0, 0]]
    assert batch.frame_mask.sum(dim=2).tolist() == [[4, 2, 4, 1]]
    assert batch.turns.tolist() == [[2, 2, 1, 0]]


def test_an_utterance_without_a_recording_has_one_position_without_a_frame() -> None:
    batch = present(collate([window(numbered(3, 5), None, numbered(1, 3)), window(None)], AudioShape(1, 4, 100)).audio)
    assert batch.turns[0].tolist() == [2, 2, 1, 0]
    assert batch.mask.tolist() == [[True] * 4, [True, False, False, False]]
    assert batch.frame_mask.sum(dim=2).tolist() == [[4, 1, 0, 3], [0, 0, 0, 0]]


def test_the_oldest_positions_are_left_out_where_there_are_too_many() -> None:
    old, new = np.arange(10, dtype=np.float32)[:, None], 100 + np.arange(5, dtype=np.float32)[:, None]
    batch = present(collate([window(old, new)], AudioShape(1, 4, 3)).audio)
    assert batch.turns.tolist() == [[1, 0, 0]]
    assert batch.frames[0, ..., 0].tolist() == [[8, 9, 0, 0], [100, 101, 102, 103], [104, 0, 0, 0]]
    assert batch.frame_mask.sum(dim=2).tolist() == [[2, 4, 1]]
    within = present(collate([window(old, new)], AudioShape(1, 4, 1)).audio)
    assert within.frames[0, ..., 0].tolist() == [[104, 0, 0, 0]]
    assert within.target.tolist() == [[True]]


def test_padding_is_masked_and_empty() -> None:
    batch = present(collate([window(frames(9)), window(frames(2))], SHAPE).audio)
    assert batch.mask.tolist() == [[True] * 3, [True, False, False]]
    assert batch.frame_mask.sum(dim=2).tolist() == [[4, 4, 1], [2, 0, 0]]
    assert batch.frames[~batch.frame_mask].abs().sum() == 0


def test_the_target_is_the_last_utterance_whether_it_has_a_recording_or_not() -> None:
    batch = present(collate([BOTH, heard(ONE, frames(5), None), SILENT], SHAPE).audio)
    assert batch.target.tolist() == [
        [False, False, False, True, True],
        [False, False, True, False, False],
        [False, True, False, False, False],
    ]


def test_a_window_is_recorded_where_any_of_its_utterances_is() -> None:
    assert present(collate([BOTH, HALF, SILENT, MUTE], SHAPE).audio).recorded.tolist() == [True, True, False, True]


def test_a_modality_that_is_not_read_is_not_there() -> None:
    assert collate([ONE, SHORT]).audio is None
    assert collate([window(frames(3))], SHAPE).text is None
    batch = collate([BOTH, MUTE], SHAPE)
    assert present(batch.text).worded.tolist() == [True, False]
    assert batch.labels["erc"].tolist() == [1, 0]


def test_a_batch_moves_with_all_its_parts() -> None:
    moved = collate([BOTH, MUTE], SHAPE).to("meta")
    parts: list[TextBatch | AudioBatch] = [present(moved.text), present(moved.audio)]
    tensors = [getattr(part, f.name) for part in parts for f in fields(part)]
    tensors += moved.labels.values()
    assert all(isinstance(t, torch.Tensor) and t.device.type == "meta" for t in tensors)
