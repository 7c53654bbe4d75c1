"""Run on disk: recipe, labels, trained weights, scores and model card."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ecef_cli import console
from ecef_cli.api.errors import DataError, PluginError, UsageProblem, did_you_mean
from ecef_cli.features.encoders import spectrum_of
from ecef_cli.network.audio import AudioStream
from ecef_cli.network.model import EcefNetwork, TextStream
from ecef_cli.network.modules import built
from ecef_cli.plugin.boundary import identity
from ecef_cli.recipe.model import check_recipe
from ecef_cli.recipe.sections import SENTIMENT
from ecef_cli.recipe.strict_yaml import parse_yaml
from ecef_cli.workspace import checksum, read_json, replacing, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ecef_cli.api.components import Tagger
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.recipe.model import Block, Recipe
    from ecef_cli.workspace import Workspace

BUNDLED, BUNDLED_SPEECH = "bundled", "bundled-speech"
"""Names of the runs that come with ecef: one reads text, the other adds recordings to the same text layers."""
_PACKAGES = (
    "ecef-cli",
    "accelerate",
    "torch",
    "torchaudio",
    "transformers",
    "numpy",
    "safetensors",
    "scikit-learn",
    "soundfile",
    "simplemma",
    "pydantic",
)


@dataclass(frozen=True, slots=True)
class Run:
    """A folder with a trained model, or one in training.

    Attributes:
        folder: its folder.
        recipe: the resolved recipe.
        labels: the emotions by number.
        identities: checksums of the frozen components, which affect the output besides recipe and weights.
        dataset: name and key of the dataset it was trained on.
        licences: the terms of each dataset that its weights come from, as far as they are stated.
        base: the folder of a run that holds the weights and decisions that this one has in common with it, relative to
            its own; None if it holds them all.
    """

    folder: Path
    recipe: Recipe
    labels: tuple[str, ...]
    identities: Mapping[str, str]
    dataset: Mapping[str, str]
    licences: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None

    @property
    def terms(self) -> str:
        """The terms of the data that the weights come from, in words; empty if no dataset states any."""
        stated = (f"{name} ({terms})" for name, terms in self.licences.items())
        return " and ".join(stated)

    @property
    def weights(self) -> Path:
        """The trained weights of the best epoch."""
        return self.folder / "model.safetensors"

    @property
    def finished(self) -> bool:
        """Whether training has finished, so that the weights are final."""
        metrics = self.folder / "metrics.json"
        return metrics.is_file() and bool(read_json(metrics)["finished"])

    def tagger(self) -> Tagger | None:
        """Return the run's tagger, or None if it has none; warn if its data differ from those of training."""
        if self.recipe.tagger is None or not self.recipe.reads("text"):
            return None
        tagger = self.recipe.component("tagger")
        if identity(tagger) != self.identities.get("tagger"):
            console.warn(
                f"the relations of {self.recipe.tagger.name!r} have changed since {self.folder.name} was trained, "
                "so its predictions may differ"
            )
        return tagger

    def network(self, encoders: Encoders) -> EcefNetwork:
        """Return the trained network, in evaluation mode.

        Raises:
            PluginError: an encoder differs from the one that the network was trained on.
            DataError: the weights are missing or corrupt.
        """
        for key, found in encoders.identities.items():
            if found != self.identities.get(key, ""):
                block: Block = getattr(self.recipe, key)
                raise PluginError(
                    f"the weights of {block.options.get('model', block.name)!r} differ from those that "
                    f"{self.folder.name} was trained on ({found[:8]}…, not {self.identities.get(key, '')[:8]}…)",
                    hint="use the same release of the model",
                )
        network = build_network(self.recipe, encoders, len(self.labels))
        if self.weights.is_file() and not self.finished:
            console.warn(f"the training of {self.folder.name} has not finished: using the best weights so far")
        try:
            network.load_state_dict(self.stored())
        except RuntimeError as error:
            raise DataError(
                f"the weights do not fit the recipe: {' '.join(str(error).split())[:200]}",
                where=str(self.weights),
            ) from None
        return network.eval()

    def stored(self) -> dict[str, Tensor]:
        """Return the trained weights as float32, by name.

        Raises:
            DataError: the weights are missing or corrupt, or the base has other weights than it had.
        """
        shared = {} if self.base is None else self._based().stored()
        try:
            stored = load_file(self.weights)
        except (OSError, SafetensorError) as error:
            hint = "train the run first: `ecef train RECIPE`"
            raise DataError(f"no trained weights: {error}", where=str(self.weights), hint=hint) from None
        return {**shared, **{key: value.float() for key, value in stored.items()}}

    def part(self, name: str) -> Path:
        """Return the path of a file of the run, which may not exist; the base's if only that has it."""
        own = self.folder / name
        if self.base is None or own.is_file():
            return own
        return self._based().part(name)

    def _based(self) -> Run:
        base = open_run(self.folder / str(self.base))
        if checksum(base.weights) != self.identities.get("base"):
            hint = "install ecef again, or bundle the speech model again"
            raise DataError("the weights that this run adds to have changed", where=str(base.weights), hint=hint)
        return base


def build_network(recipe: Recipe, encoders: Encoders, labels: int) -> EcefNetwork:
    """Return the untrained network of a recipe."""
    settings, text, audio = recipe.network, None, None
    if encoders.text is not None:
        text = TextStream(
            encoders.text.width,
            recipe.turns,
            settings,
            top=built(encoders.text, "trainable"),
            kwrt=recipe.tagger is not None,
        )
    if encoders.audio is not None:
        audio = AudioStream(
            encoders.audio.width,
            recipe.turns,
            settings,
            audio=recipe.audio,
            masking=recipe.training.masking,
            prosody=built(recipe.component("prosody"), "build", settings.width) if recipe.prosody is not None else None,
        )
    fusion = encoders.fusion
    return EcefNetwork(
        settings,
        tasks=recipe.tasks,
        labels=labels,
        text=text,
        audio=audio,
        fusion=None if fusion is None or text is None else built(fusion, "build", settings.width),
        second=None if fusion is None or spectrum_of(fusion) is None else built(fusion, "build_second", settings.width),
        masking=recipe.training.masking,
        dropout=recipe.training.modality_dropout,
        frozen=recipe.training.freeze,
        next_speaker=recipe.epc.next_speaker,
        sentiments=recipe.classes(labels).get(SENTIMENT, 0),
    )


def save_weights(path: Path, network: EcefNetwork) -> None:
    """Write the trained weights, without the encoders' frozen ones."""
    with replacing(path) as part:
        save_file({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}, part)


def create_run(
    folder: Path,
    recipe: Recipe,
    *,
    labels: tuple[str, ...],
    identities: Mapping[str, str],
    dataset: Mapping[str, str],
    licences: Mapping[str, str] | None = None,
) -> Run:
    """Write the files of a run before training."""
    terms = dict(licences or {})
    facts = {"labels": list(labels), "identities": dict(identities), "dataset": dict(dataset), "licences": terms}
    write_json(folder / "run.json", facts)
    write_json(folder / "environment.json", environment())
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    return Run(folder, recipe, labels, identities, dataset, terms)


def open_run(folder: Path) -> Run:
    """Return the run in a folder.

    Raises:
        DataError: the folder holds no run.
        RecipeError: the recipe is invalid with the installed plugins.
    """
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise DataError("no run in this folder", where=str(folder), hint="train one: `ecef train RECIPE`")
    recipe = check_recipe(parse_yaml(path.read_text(encoding="utf-8"), str(path)), where=str(path))
    facts = read_json(folder / "run.json")
    origin = (facts["identities"], facts["dataset"], facts.get("licences", {}), facts.get("base"))
    return Run(folder, recipe, tuple(facts["labels"]), *origin)


def find_run(workspace: Workspace, name_or_path: str) -> Run:
    """Return a run by its name in the workspace or by its folder; `bundled` and `bundled-speech` come with ecef.

    Raises:
        UsageProblem: the workspace has no such run.
    """
    folder = Path(name_or_path)
    if len(folder.parts) > 1 or name_or_path.startswith(".") or (folder / "recipe.yaml").is_file():
        return open_run(folder)
    if name_or_path in (BUNDLED, BUNDLED_SPEECH):
        return bundled_run(name_or_path)
    known = workspace.runs()
    if name_or_path not in known:
        seeds = [run for run in known if run.startswith(f"{name_or_path}-seed")]
        hint = did_you_mean(name_or_path, known) if known else "train one: `ecef train RECIPE`"
        if seeds:
            hint = f"give one of its seeds: {', '.join(seeds)}"
        raise UsageProblem(f"the workspace {workspace.root} has no run {name_or_path!r}", hint=hint)
    return open_run(workspace.run(name_or_path))


def bundled_run(name: str = BUNDLED) -> Run:
    """Return a run that comes with ecef."""
    return open_run(Path(__file__).parents[1] / name)


def environment() -> dict[str, Any]:
    """Return the versions and settings of the environment of a run."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "packages": packages,
    }
