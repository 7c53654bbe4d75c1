"""Speed of the Hugging Face speech encoder over recordings of mixed lengths, against transformers' pipeline.

Run it with `python tests/benchmarks/bench_extraction.py [--recordings N] [--rounds N] [--threads N]`. The model has
WavLM-base's architecture and random weights. The recordings are RAVDESS's, cut and joined to 0.5 to 15 s, or noise
where they are absent. Both ways are given waveforms, so that neither is measured with reading files.

Both run transformers' own modules one recording at a time. The pipeline shares each operation among all threads, or
uses one, since it is not everywhere faster with more; the encoder gives each thread recordings of its own. The two take
turns batch by batch, and the best round of each batch counts. Wall-clock time depends on what else the machine does;
CPU time does so much less. Every figure and every ratio is from one run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Wave = npt.NDArray[np.float32]

RATE = 16_000
SHORTEST, LONGEST = 0.5, 15.0  # seconds
BATCH_SECONDS = 64.0  # of a batch, padding included, as the host makes them
PEAK_SIZE = 2048


def recordings(count: int) -> list[Wave]:
    """Return `count` waves, their lengths drawn evenly on a logarithmic scale."""
    generator = np.random.default_rng(0)
    stream = _speech(generator)
    waves = []
    for seconds in np.exp(generator.uniform(np.log(SHORTEST), np.log(LONGEST), count)):
        samples = int(seconds * RATE)
        wave = next(stream)
        while len(wave) < samples:
            wave = np.concatenate([wave, next(stream)])
        waves.append(wave[:samples])
    return waves


def _speech(generator: np.random.Generator) -> Iterator[Wave]:
    shared = Path(os.environ.get("ECEF_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    files = sorted(shared.glob("ravdess/*/*.flac"))
    print(f"recordings: {len(files):,} files of RAVDESS" if files else f"recordings: noise, as {shared} has none")
    if files:
        import soundfile

        for file in generator.permutation(np.array(files, dtype=object)):
            yield soundfile.read(file, dtype="float32")[0]
    while True:
        yield (0.1 * generator.standard_normal(3 * RATE)).astype(np.float32)


def save_model(folder: Path) -> None:
    """Save a classifier on WavLM-base, as the pipeline needs; the encoder reads what is below the classifier."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForSequenceClassification

    torch.manual_seed(0)
    WavLMForSequenceClassification(WavLMConfig()).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


def batches(waves: Sequence[Wave]) -> Iterator[list[Wave]]:
    """Yield the waves in batches of similar length, the shortest first."""
    taken: list[Wave] = []
    for wave in sorted(waves, key=len):
        if taken and len(wave) * (len(taken) + 1) > BATCH_SECONDS * RATE:
            yield taken
            taken = []
        taken.append(wave)
    yield taken


def operations(samples: int, config: Any) -> dict[str, float]:
    """Return the floating-point operations for a wave, two for each product that is added, by part of the model.

    With n frames out of a layer, c channels in, c' out, a kernel k, g groups; T frames, width d, feed-forward width f:
    a convolution takes 2·n·c·c'·k/g, a Transformer layer 2·T·(4·d² + 2·d·f) for its maps and 4·T²·d for attention.
    Activations, normalisations and softmax are not counted.
    """
    front, channels, frames = 0.0, 1, samples
    for out, kernel, stride in zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True):
        frames = (frames - kernel) // stride + 1
        front += 2.0 * frames * channels * out * kernel
        channels = out
    d, f, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    positions = 2.0 * frames * d * d * config.num_conv_pos_embeddings / config.num_conv_pos_embedding_groups
    maps = 2.0 * frames * (channels * d + layers * (4 * d * d + 2 * d * f))
    return {"front end": front, "positions": positions, "maps": maps, "attention": 4.0 * layers * frames**2 * d}


@dataclass(slots=True)
class Best:
    """The best of several rounds: wall-clock seconds and seconds of CPU time, each by itself."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def run(self, work: Callable[[], object], threads: int) -> None:
        """Do it once more, with a number of threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall = min(self.wall, time.perf_counter() - wall)
        self.cpu = min(self.cpu, time.process_time() - cpu)
        torch.set_num_threads(before)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to encode a batch, with a number of threads, and its best for each batch so far."""

    work: Callable[[Sequence[Wave]], object]
    threads: int
    bests: dict[int, Best] = field(default_factory=lambda: defaultdict(Best))

    def run(self, number: int, batch: Sequence[Wave]) -> None:
        """Encode a batch once more."""
        self.bests[number].run(lambda: self.work(batch), self.threads)

    @property
    def wall(self) -> float:
        """Wall-clock seconds for all batches."""
        return sum(best.wall for best in self.bests.values())

    @property
    def cpu(self) -> float:
        """Seconds of CPU time for all batches."""
        return sum(best.cpu for best in self.bests.values())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    from transformers import pipeline

    from ecef_speech.huggingface import HuggingFaceSpeechEncoder, HuggingFaceSpeechOptions

    waves = recordings(arguments.recordings)
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder))
        classify = pipeline("audio-classification", folder, device="cpu")
        encoder = HuggingFaceSpeechEncoder(HuggingFaceSpeechOptions(model=folder))

    def one_at_a_time(batch: Sequence[Wave]) -> None:
        for wave in batch:
            classify(wave)

    differ = agreement(classify.model.wavlm, encoder, waves[:8])
    ways = [Way(work, threads) for work in (one_at_a_time, encoder.encode) for threads in (arguments.threads, 1)]
    left, right = torch.randn(2, PEAK_SIZE, PEAK_SIZE)
    peaks = {arguments.threads: Best()} | {1: Best()}
    for _ in range(arguments.rounds):
        for number, batch in enumerate(batches(waves)):
            for way in ways:
                way.run(number, batch)
            for threads, best in peaks.items():
                for _ in range(4):
                    best.run(lambda: left @ right, threads)
    report(waves, ways, peaks, classify.model.config)
    print(f"frames differ from transformers' by {differ:.1e} of the largest value at most")


def agreement(model: Any, encoder: Any, waves: Sequence[Wave]) -> float:
    """Return how far the encoder's frames are from the model's, as a share of the largest value."""
    worst = 0.0
    for wave, features in zip(waves, encoder.encode(waves), strict=True):
        with torch.inference_mode():
            expected = model(torch.from_numpy(wave)[None]).last_hidden_state[0].numpy()
        worst = max(worst, float(np.abs(features.frames - expected).max() / np.abs(expected).max()))
    return worst


def report(waves: Sequence[Wave], ways: Sequence[Way], peaks: Mapping[int, Best], config: Any) -> None:
    """Print the throughput of each way, its share of the peak, and the ratios."""
    lengths = [len(wave) / RATE for wave in waves]
    seconds = sum(lengths)
    counted = [operations(len(wave), config) for wave in waves]
    parts = {part: sum(one[part] for one in counted) for part in counted[0]}
    total = sum(parts.values())
    print(f"{len(waves)} recordings, {seconds:.0f} s in all, {min(lengths):.1f} to {max(lengths):.1f} s each")
    shares = ", ".join(f"{part} {share / total:.0%}" for part, share in parts.items())
    print(f"operations: {total / seconds / 1e9:.1f} GFLOP for a second of sound: {shares}")
    rates = {threads: 2 * PEAK_SIZE**3 / best.wall for threads, best in peaks.items()}
    for threads, rate in rates.items():
        print(
            f"matrix product, {threads} threads: {rate / 1e9:.0f} GFLOP/s; at that rate, and were there nothing else "
            f"to do, {rate * seconds / total:.1f} s of sound a second"
        )
    for name, way in zip(("pipeline", "pipeline", "encoder", "encoder"), ways, strict=True):
        print(
            f"{name}, {way.threads} threads: {seconds / way.wall:.2f} s of sound a second, "
            f"{total / way.wall / 1e9:.0f} GFLOP/s, {total / way.wall / rates[way.threads]:.0%} of the peak; "
            f"{way.cpu / seconds * 1000:.0f} ms of CPU time for a second of sound"
        )
    usual, single, ours, ours_single = ways
    print(f"ratio, {ours.threads} threads: {usual.wall / ours.wall:.2f}, by CPU time {usual.cpu / ours.cpu:.2f}")
    print(f"ratio, 1 thread: {single.wall / ours_single.wall:.2f}, by CPU time {single.cpu / ours_single.cpu:.2f}")
    ceiling = usual.wall * rates[usual.threads] / total
    print(f"ratio of an encoder that did matrix products alone, at the peak: {ceiling:.2f}")


if __name__ == "__main__":
    main()
