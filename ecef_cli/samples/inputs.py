"""Inputs of a recipe's network: load tags and features, and make the missing ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ecef_cli import console
from ecef_cli.api.errors import DataError
from ecef_cli.audio.spectrum import NAME
from ecef_cli.corpus.tolerance import Tolerance
from ecef_cli.features.audio import AudioExtraction, ensure_audio_features
from ecef_cli.features.store import INDEX, FeatureStore
from ecef_cli.features.text import TextExtraction, ensure_features
from ecef_cli.samples.batches import WindowInput, collate
from ecef_cli.samples.protocol import recipe_dataset, recipe_samples, windowed
from ecef_cli.samples.shapes import audio_shape, spectrum_shape
from ecef_cli.samples.windows import turns_ago, windows
from ecef_cli.tagging.store import ensure_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from ecef_cli.api.components import AudioEncoder, TextEncoder
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.features.store import AudioStore
    from ecef_cli.recipe.model import Block, Recipe
    from ecef_cli.samples.batches import AudioShape, Batch
    from ecef_cli.samples.windows import Sample
    from ecef_cli.tagging.store import TagStore
    from ecef_cli.workspace import Workspace


@dataclass(frozen=True)
class Inputs:
    """Samples of a prepared dataset with their tags and features.

    Attributes:
        prepared: the dataset, without the utterances that the recipe drops.
        samples: one sample per utterance, by split.
        tags: the word-pair tags, or None without a tagger.
        features: the text encoder's states, or None if text is not an input.
        audio: the audio encoder's frames, or None if audio is not an input.
        shape: grouping of frames into positions, or None if audio is not an input.
        variants: frames of the train split at the speeds and with the distortions of training; empty if the only speed
            is 1 and there are no distortions.
        spectrum: the spectrum, or None if the fusion reads none; with its shape and variants, as for `audio`.
        whole: the complete dataset of the workspace, whose recordings are all stored, or None if it is `prepared`.
    """

    prepared: Prepared
    samples: Mapping[str, Sequence[Sample]]
    tags: TagStore | None
    features: FeatureStore | None
    audio: AudioStore | None = None
    shape: AudioShape | None = None
    variants: Sequence[AudioStore] = ()
    spectrum: AudioStore | None = None
    spectrum_shape: AudioShape | None = None
    spectrum_variants: Sequence[AudioStore] = ()
    whole: Prepared | None = None

    def window(self, sample: Sample, variant: int | None = None) -> WindowInput:
        """Return a sample with its features and tags, its recordings as in a variant if one is given."""
        audio = self.audio if variant is None else self.variants[variant]
        spectrum = self.spectrum if variant is None or self.spectrum is None else self.spectrum_variants[variant]
        if self.tags is None:
            importance = np.zeros(sample.positions, dtype=np.float32)
        else:
            importance = self.tags.dialogue(sample.split, sample.dialogue).importance(sample.first, sample.last)
        return WindowInput(
            None if self.features is None else self.features.read(sample.split, sample.number),
            importance,
            turns_ago(sample.sizes),
            sample.targets,
            recordings=self._recordings(sample, audio),
            worded=any(size > 1 for size in sample.sizes),
            spectra=self._recordings(sample, spectrum),
            next_speaker=sample.next_speaker,
        )

    def batch(self, chosen: Iterable[Sample]) -> Batch:
        """Return samples as a batch."""
        return collate([self.window(sample) for sample in chosen], self.shape, self.spectrum_shape)

    def varied(self, chosen: Iterable[Sample]) -> Batch:
        """Return training samples as a batch, each window in a random variant from PyTorch's generator."""
        if not self.variants:
            return self.batch(chosen)
        drawn = [(sample, int(torch.randint(len(self.variants), ()))) for sample in chosen]
        return collate([self.window(*pair) for pair in drawn], self.shape, self.spectrum_shape)

    def lengths(self, chosen: Iterable[Sample]) -> list[int]:
        """Return the length of each sample's window: the sum of its positions of text, audio and spectrum."""
        sounds = [
            (store, shape)
            for store, shape in ((self.audio, self.shape), (self.spectrum, self.spectrum_shape))
            if store is not None and shape is not None
        ]
        return [
            (0 if self.features is None else sample.positions)
            + sum(shape.length(store.length(sample.split, n) for n in sample.numbers) for store, shape in sounds)
            for sample in chosen
        ]

    @staticmethod
    def _recordings(sample: Sample, audio: AudioStore | None) -> tuple[npt.NDArray[np.float32] | None, ...] | None:
        if audio is None:
            return None
        found = [audio.read(sample.split, number) for number in sample.numbers]
        return tuple(None if features is None else features.frames for features in found)


def load_inputs(
    workspace: Workspace,
    recipe: Recipe,
    encoders: Encoders,
    *,
    labels: Sequence[str] | None = None,
    tolerance: Tolerance | None = None,
    training: bool = False,
) -> Inputs:
    """Return the inputs of a recipe; make missing tags and features first.

    Args:
        workspace: the workspace of the dataset.
        recipe: the recipe.
        encoders: the recipe's encoders.
        labels: the labels that number the targets; None for the dataset's own. Other emotions are not targets.
        tolerance: tolerance for unreadable recordings; None for none.
        training: whether a recipe for text and audio needs recordings; without them, a trained model predicts from the
            text.

    Raises:
        DataError: the dataset is not prepared or has no labels, or more recordings are unreadable than tolerated.
    """
    whole = recipe_dataset(workspace, recipe, tell=True)
    wanted = labels or whole.labels
    if not wanted:
        hint = "training needs gold labels; `ecef predict` reads its manifests"
        raise DataError(f"the dataset {whole.name!r} is unlabelled", hint=hint)
    prepared = windowed(recipe, whole, wanted)
    found = recipe_samples(recipe, prepared, wanted)
    tags = recipe_tags(workspace, recipe, prepared)
    features = None if encoders.text is None else recipe_features(workspace, recipe, prepared, encoders.text)
    if encoders.audio is None:
        return Inputs(prepared, found, tags, features, whole=whole)
    if features is not None and not training and not prepared.recordings:
        console.note(f"{prepared.name} has no recordings: predicting from the text alone")
        return Inputs(prepared, found, tags, features, whole=whole)
    audio = recipe_audio(workspace, recipe, whole, encoders.audio, tolerance=tolerance)
    spectrum = None
    if encoders.spectrum is not None:
        spectrum = recipe_audio(workspace, recipe, whole, encoders.spectrum, spectrum=True, tolerance=tolerance)
    return Inputs(
        prepared,
        found,
        tags,
        features,
        audio,
        audio_shape(recipe, encoders),
        spectrum=spectrum,
        spectrum_shape=spectrum_shape(encoders),
        whole=whole,
    )


def load_variants(
    workspace: Workspace, recipe: Recipe, inputs: Inputs, encoders: Encoders, *, tolerance: Tolerance | None = None
) -> Inputs:
    """Return inputs with the train split's frames at the speeds and with the distortions of a recipe's training.

    Raises:
        DataError: more recordings are unreadable than the tolerance allows.
    """
    speeds, distortions = recipe.training.speeds, recipe.training.distortions
    if encoders.audio is None or inputs.audio is None or (speeds == [1.0] and not distortions):
        return inputs
    whole = inputs.whole or inputs.prepared
    train = replace(whole, splits={"train": whole.splits["train"]})

    def heard(encoder: AudioEncoder, store: AudioStore, *, spectrum: bool = False) -> tuple[AudioStore, ...]:
        again = partial(recipe_audio, workspace, recipe, train, encoder, spectrum=spectrum, tolerance=tolerance)
        at_speed = (store if speed == 1.0 else again(speed=speed) for speed in speeds)
        return (*at_speed, *(again(distortion=distortion) for distortion in distortions))

    variants = heard(encoders.audio, inputs.audio)
    if encoders.spectrum is None or inputs.spectrum is None:
        return replace(inputs, variants=variants)
    spectra = heard(encoders.spectrum, inputs.spectrum, spectrum=True)
    return replace(inputs, variants=variants, spectrum_variants=spectra)


def recipe_tags(workspace: Workspace, recipe: Recipe, prepared: Prepared, *, force: bool = False) -> TagStore | None:
    """Return the tags of a recipe, or None if it has no tagger or text is not an input.

    `prepared` is the result of `windowed`, as for text features.
    """
    if recipe.tagger is None or not recipe.reads("text"):
        return None
    return ensure_tags(
        workspace,
        prepared,
        name=recipe.tagger.name,
        tagger=recipe.component("tagger"),
        history=recipe.history or prepared.longest,
        force=force,
    )


def recipe_features(
    workspace: Workspace, recipe: Recipe, prepared: Prepared, encoder: TextEncoder, *, force: bool = False
) -> FeatureStore:
    """Return the text features of a recipe; extract missing ones first."""
    extraction = _text_extraction(recipe, prepared, encoder)
    ends = {split: list(windows(dialogues, recipe.history)) for split, dialogues in prepared.splits.items()}
    return ensure_features(workspace, prepared, ends, extraction, force=force)


def stored_features(
    workspace: Workspace, recipe: Recipe, prepared: Prepared, encoder: TextEncoder
) -> FeatureStore | None:
    """Return the text features of a recipe, or None if they have not been extracted."""
    folder = workspace.dataset(prepared.name) / "features" / _text_extraction(recipe, prepared, encoder).key(prepared)
    return FeatureStore.open(folder) if (folder / INDEX).is_file() else None


def recipe_audio(
    workspace: Workspace,
    recipe: Recipe,
    prepared: Prepared,
    encoder: AudioEncoder,
    *,
    spectrum: bool = False,
    tolerance: Tolerance | None = None,
    speed: float = 1.0,
    distortion: str | None = None,
    force: bool = False,
) -> AudioStore:
    """Return the frames of an encoder of a recipe, its audio encoder or its `spectrum`, at a speed or distorted."""
    name, options = _described(recipe, "audio_encoder")
    if spectrum:
        name, options = NAME, encoder.options.model_dump(mode="json", exclude={"longest"})
    audio = recipe.audio
    extraction = AudioExtraction(
        encoder, name, options, recipe.features.dtype, audio.longest, audio.level, speed, distortion
    )
    none = Tolerance(0, relative=False)
    return ensure_audio_features(
        workspace,
        prepared,
        extraction,
        tolerance=tolerance or none,
        force=force,
        tell=speed == 1.0 and distortion is None and not spectrum,  # the plain frames of the encoder come first
    )


def _text_extraction(recipe: Recipe, prepared: Prepared, encoder: TextEncoder) -> TextExtraction:
    name, options = _described(recipe, "text_encoder")
    # Windows of the whole dialogue are those as long as the longest dialogue, and are stored as such.
    return TextExtraction(encoder, name, options, recipe.features.dtype, recipe.history or prepared.longest)


def _described(recipe: Recipe, key: str) -> tuple[str, dict[str, Any]]:
    block: Block = getattr(recipe, key)
    return block.name, block.options
