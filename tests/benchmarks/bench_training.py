"""Speed and memory of training the network at the paper's size, and what batches of similar length save.

Run it with `python tests/benchmarks/bench_training.py [--meld DIR] [--batch-size N] [--steps N] [--width N]
[--group N]`. The network is the real one: 768-d text and audio, width 1024, 8 heads, 2 layers, prosody, both steps of
the fusion. The frozen layers have BERT-base's and ViT-base's shape and random weights. Features are random, their
lengths are those of MELD's train split: a token a word, 50 frames of audio a second in positions of `--group`, mel
frames of 10 ms. A GPU computes in bf16 with batches of 32 windows, a CPU in float32 with small ones.

1. Training steps over batches of similar length, as `ecef train` makes them: windows a second, memory, the share of the
   machine's matrix-multiply peak, and where the time goes.
2. The same windows in batches of similar length, in batches as they come, each padded to its own longest window, and in
   batches that are all padded to the corpus's longest window.

Operations are counted by tracing the very batches. Every figure and every ratio is of this run.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ecef_cli.api.components import AudioEncoder, Fusion, Options, TextEncoder, TextFeatures
from ecef_cli.api.dialogue import words
from ecef_cli.audio.spectrum import LogMel
from ecef_cli.evaluation.cost.cost import measure
from ecef_cli.features.encoders import Encoders
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.runs.run import build_network
from ecef_cli.samples.batches import Batch, WindowInput, bucketed, collate
from ecef_cli.samples.shapes import audio_shape, spectrum_shape
from ecef_cli.samples.windows import turns_ago
from ecef_cli.training.optimization import build_optimizer

MELD = Path(__file__).parents[3] / "shared" / "data" / "meld"
HISTORY, LABELS, FEATURES = 5, 7, 768
FRAME_RATE, MEL_RATE = 50, 100  # frames a second
LONGEST = 30.0  # seconds of an utterance that are read at most
PEAK_SIZES = {"cpu": 2048, "cuda": 8192}
KINDS = {
    "attention": ("scaled_dot_product", "bmm", "softmax"),
    "matrix products": ("mm", "convolution", "rnn", "lstm"),
}
"""What an operation is, by what its name holds; the first one counts."""


class Wide(TextEncoder, AudioEncoder):
    """Stands in for the frozen encoders, of which a network knows only the width."""

    width, sample_rate = FEATURES, 16_000

    def encode(self, *_: object) -> list[Any]:
        """Return nothing: features are made up."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Window:
    """How long the utterances of a window are, oldest first."""

    words: tuple[int, ...]
    seconds: tuple[float, ...]


def first(batch: Batch, count: int) -> Batch:
    """Return the first windows of a batch, without labels."""

    def shortened(part: Any) -> Any:
        return replace(part, **{field.name: getattr(part, field.name)[:count] for field in fields(part)})

    return Batch(shortened(batch.text), shortened(batch.audio), {}, shortened(batch.spectrum))


def corpus(folder: Path) -> list[Window]:
    """Return the windows of MELD's train split."""
    dialogues: dict[str, list[tuple[int, float]]] = {}
    with (folder / "train_sent_emo.csv").open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            heard = min(LONGEST, max(0.1, clock(row["EndTime"]) - clock(row["StartTime"])))
            dialogues.setdefault(row["Dialogue_ID"], []).append((len(words(row["Utterance"])), heard))
    return [
        Window(*zip(*said[max(0, end - HISTORY) : end], strict=True))
        for said in dialogues.values()
        for end in range(1, len(said) + 1)
    ]


def clock(text: str) -> float:
    """Return the seconds of a time such as `00:16:16,059`."""
    hours, minutes, seconds = text.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def paper_recipe(width: int, group: int, batch_size: int, folder: Path) -> Recipe:
    """Return the paper's sizes as a recipe, and save the models that its fusion takes layers of."""
    from transformers import BertConfig, BertModel, ViTConfig, ViTModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    BertModel(BertConfig(num_hidden_layers=2)).save_pretrained(folder / "bert")
    ViTModel(ViTConfig(num_hidden_layers=2)).save_pretrained(folder / "vit")
    values = {
        "name": "bench",
        "dataset": "meld",
        "tasks": ["erc", "epc"],
        "modalities": ["text", "audio"],
        "history": HISTORY,
        "tagger": {"name": "conceptnet"},
        "text_encoder": {"name": "huggingface"},
        "audio_encoder": {"name": "huggingface"},
        "prosody": {"name": "srdvc"},
        "fusion": {
            "name": "mfm",
            "blocks": 2,
            "bridge": 4,
            "language": {"model": str(folder / "bert")},
            "vision": {"model": str(folder / "vit")},
        },
        "audio": {"group": group, "positions": 100_000},
        "network": {"width": width, "heads": 8, "layers": 2},
        "training": {"optimizer": "adam", "learning_rate": 1e-4, "batch_size": batch_size},
    }
    return check_recipe(values, where="bench")


def paper_encoders(recipe: Recipe) -> Encoders:
    """Return encoders of the paper's widths, with the recipe's fusion."""
    fusion = recipe.component("fusion")
    assert isinstance(fusion, Fusion)
    assert fusion.spectrum is not None
    return Encoders(Wide(Options()), Wide(Options()), fusion, LogMel(fusion.spectrum))


class Bench:
    """The network, its optimiser and the windows that it is trained on.

    Args:
        recipe: the recipe.
        device: `cpu` or `cuda`.
    """

    def __init__(self, recipe: Recipe, device: str) -> None:
        torch.manual_seed(0)
        encoders = paper_encoders(recipe)
        self.recipe, self.device = recipe, device
        self.network = build_network(recipe, encoders, LABELS).train().to(device)
        self.optimizer = build_optimizer(self.network, recipe.training)
        self.clip = recipe.training.clip
        audio, spectrum = audio_shape(recipe, encoders), spectrum_shape(encoders)
        assert audio is not None
        assert spectrum is not None
        self.shapes = audio, spectrum
        self.random = np.random.default_rng(0)
        self.noise = self.random.standard_normal((20_000, FEATURES), dtype=np.float32)

    def length(self, window: Window) -> int:
        """Return how long a window is, as `ecef train` sorts by it: positions of text, audio and spectrum."""
        audio, spectrum = self.shapes
        return (
            sum(1 + count for count in window.words)
            + audio.length(self._frames(window, FRAME_RATE))
            + spectrum.length(self._frames(window, MEL_RATE))
        )

    def batch(self, windows: Sequence[Window], padding: Window | None = None) -> Batch:
        """Return windows as a batch, padded to their own longest or to `padding`."""
        made = collate([self._input(window) for window in (*windows, *([padding] if padding else []))], *self.shapes)
        return first(made, len(windows))

    def step(self, batch: Batch) -> None:
        """Do one training step."""
        batch = batch.to(self.device)
        assert batch.text is not None
        labels = torch.randint(LABELS, (len(batch.text.mask),), device=self.device)
        lower: AbstractContextManager[object] = (
            torch.autocast("cuda", dtype=torch.bfloat16) if self.device == "cuda" else nullcontext()
        )
        self.optimizer.zero_grad(set_to_none=True)
        with lower:
            logits = self.network(batch).values()
            loss = torch.stack([nn.functional.cross_entropy(values, labels) for values in logits]).sum()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()

    def seconds(self, batches: Sequence[Batch]) -> float:
        """Return how long training steps over batches take."""
        self.wait()
        start = time.perf_counter()
        for batch in batches:
            self.step(batch)
        self.wait()
        return time.perf_counter() - start

    def seconds_of(self, windows: Sequence[Window], batches: Sequence[Sequence[int]], padding: Window | None) -> float:
        """Return how long training steps over batches of windows take, making the batches apart."""
        took = 0.0
        for numbers in batches:
            took += self.seconds([self.batch([windows[number] for number in numbers], padding)])
        return took

    def wait(self) -> None:
        """Wait until all is computed."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def operations(self, batch: Batch) -> int:
        """Return the floating-point operations of a step."""
        return measure(build_network(self.recipe, paper_encoders(self.recipe), LABELS).train(), batch).step

    @staticmethod
    def _frames(window: Window, rate: int) -> list[int]:
        return [max(1, round(rate * seconds)) for seconds in window.seconds]

    def _input(self, window: Window) -> WindowInput:
        sizes = [1 + count for count in window.words]
        positions = sum(sizes)
        covered = np.concatenate([[-1], np.arange(positions), [-1]]).astype(np.int32)
        return WindowInput(
            TextFeatures(self._drawn(positions + 2, FEATURES), covered, covered),
            np.zeros(positions, dtype=np.float32),
            turns_ago(sizes),
            {},
            recordings=[self._drawn(count, FEATURES) for count in self._frames(window, FRAME_RATE)],
            spectra=[self._drawn(count, self.shapes[1].width) for count in self._frames(window, MEL_RATE)],
        )

    def _drawn(self, count: int, width: int) -> np.ndarray:
        start = int(self.random.integers(len(self.noise) - count))
        return self.noise[start : start + count, :width]


def peak_rate(device: str) -> float:
    """Return the operations a second of a large matrix product, the best of several."""
    size = PEAK_SIZES[device]
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    left, right = torch.randn((2, size, size), device=device, dtype=dtype)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        float((left @ right)[0, 0])
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def memory(device: str) -> float:
    """Return the most memory that was used so far, GiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def speed(bench: Bench, windows: Sequence[Window], batch_size: int) -> None:
    """Print how fast training is, and what bounds it."""
    order = bucketed([bench.length(window) for window in windows], batch_size, torch.Generator().manual_seed(0))
    batches = [bench.batch([windows[number] for number in numbers]) for numbers in order]
    done = sum(map(bench.operations, batches))
    bench.step(batches[0])
    peak = peak_rate(bench.device)
    seconds = bench.seconds(batches)
    used = memory(bench.device)
    peak = max(peak, peak_rate(bench.device))
    print(f"training: {len(windows) / seconds:.2f} windows/s, {used:.1f} GiB at most")
    print(
        f"operations: {done / len(windows) / 1e9:.0f} GFLOP a window, {done / seconds / 1e9:,.0f} GFLOP/s; "
        f"matrix product {peak / 1e9:,.0f} GFLOP/s; share of the peak {done / seconds / peak:.0%}"
    )
    bounds(bench, batches[len(batches) // 2])


def bounds(bench: Bench, batch: Batch) -> None:
    """Print where the time of a step goes."""
    from torch.profiler import ProfilerActivity, profile

    cuda = bench.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities, acc_events=True) as profiler:
        bench.step(batch)
        bench.wait()
    spent: dict[str, float] = {}
    for event in profiler.key_averages():
        spent[event.key] = event.self_device_time_total if cuda else event.self_cpu_time_total
    spent = {name: took for name, took in spent.items() if name.startswith("aten::") and took > 0}
    total, kinds = sum(spent.values()), dict.fromkeys((*KINDS, "all else"), 0.0)
    for name, took in spent.items():
        kinds[next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "all else")] += took
    longest = sorted(spent.items(), key=lambda pair: -pair[1])[:6]
    print("time of a step: " + ", ".join(f"{kind} {took / total:.0%}" for kind, took in kinds.items()))
    print("by operation: " + ", ".join(f"{name.removeprefix('aten::')} {took / total:.0%}" for name, took in longest))


def padding(bench: Bench, every: Sequence[Window], windows: Sequence[Window], batch_size: int) -> None:
    """Print what batches of similar length save."""
    full = [window for window in every if len(window.words) == HISTORY]
    longest = Window(max((window.words for window in full), key=sum), max((window.seconds for window in full), key=sum))

    def planned(of: Sequence[Window]) -> Iterator[tuple[str, list[list[int]], Window | None]]:
        lengths = [bench.length(window) for window in of]
        drawn = torch.randperm(len(of), generator=torch.Generator().manual_seed(0)).tolist()
        loose = [drawn[start : start + batch_size] for start in range(0, len(drawn), batch_size)]
        yield "similar length", list(bucketed(lengths, batch_size, torch.Generator().manual_seed(0))), None
        yield "as they come", loose, None
        yield "padded to the longest", loose, longest

    def padded(of: Sequence[Window], batches: Sequence[Sequence[int]], fixed: Window | None) -> float:
        own = [bench.length(window) for window in of]
        whole = sum(len(b) * (bench.length(fixed) if fixed else max(own[n] for n in b)) for b in batches)
        return 1 - sum(own) / whole

    shares = [padded(every, batches, fixed) for _, batches, fixed in planned(every)]
    print(f"longest window: {sum(longest.words)} words, {sum(longest.seconds):.0f} s; times of {len(windows)} windows:")
    base = None
    for (name, batches, fixed), share in zip(planned(windows), shares, strict=True):
        took = bench.seconds_of(windows, batches, fixed)
        base = base or took
        print(f"  {name:<22} {took:7.1f} s, {took / base:.2f} times; padding over the whole split {share:.0%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--meld", type=Path, default=MELD)
    parser.add_argument("--batch-size", type=int, default=32 if device == "cuda" else 4)
    parser.add_argument("--steps", type=int, default=40 if device == "cuda" else 6)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--group", type=int, default=8)
    arguments = parser.parse_args()
    every = corpus(arguments.meld)
    chosen = np.random.default_rng(0).choice(len(every), arguments.batch_size * arguments.steps, replace=False)
    windows = [every[number] for number in chosen]
    with tempfile.TemporaryDirectory() as folder:
        recipe = paper_recipe(arguments.width, arguments.group, arguments.batch_size, Path(folder))
        bench = Bench(recipe, device)
        trained = sum(parameter.numel() for parameter in bench.network.parameters())
        print(
            f"{device}, {'bf16' if device == 'cuda' else f'float32, {torch.get_num_threads()} threads'}; "
            f"{trained / 1e6:.0f} million trained parameters; {len(windows)} of {len(every):,} windows, "
            f"{np.mean([sum(window.seconds) for window in windows]):.1f} s each, batches of {arguments.batch_size}"
        )
        speed(bench, windows, arguments.batch_size)
        padding(bench, every, windows, arguments.batch_size)


if __name__ == "__main__":
    main()
