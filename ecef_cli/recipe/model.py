"""Recipe: the one file that determines a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from ecef_cli.api.components import Options  # noqa: TC001 - pydantic reads it
from ecef_cli.api.errors import PluginError, RecipeError
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.labels import LabelSet, find_set, label_sets
from ecef_cli.recipe.options import check_options, create
from ecef_cli.recipe.problems import explain, located
from ecef_cli.recipe.sections import (
    SENTIMENT,
    Audio,
    Decision,
    Epc,
    Features,
    History,
    Modality,
    Network,
    Section,
    Training,
    distinct,
)
from ecef_cli.recipe.shipped import find_recipe
from ecef_cli.recipe.strict_yaml import lines_of, override, read_block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.api.components import (
        AudioEncoder,
        Component,
        CueClassifier,
        Fusion,
        ProsodyEncoder,
        Tagger,
        TextEncoder,
    )

Task = Literal["erc", "epc"]
BLOCKS = {
    "tagger": "tagger",
    "text_encoder": "text_encoder",
    "audio_encoder": "audio_encoder",
    "prosody": "prosody_encoder",
    "fusion": "fusion",
    "cues": "cue",
}
"""The recipe's keys that name a component, with the component's kind."""

_TURNS = 128  # positions of utterances, if the history is the whole dialogue: longer than almost any dialogue


class Block(BaseModel):
    """A component's name and its options, which the component's own `Options` checks."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1)
    _checked: Options | None = PrivateAttr(None)

    @property
    def options(self) -> dict[str, Any]:
        """The options as written."""
        return dict(self.__pydantic_extra__ or {})

    @classmethod
    def filled(cls, name: str, checked: Options) -> Block:
        """Return a block with every option of a component, which are checked already."""
        block = cls.model_validate({"name": name, **checked.model_dump(mode="json")})
        block._checked = checked  # noqa: SLF001 - its own
        return block

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Block:
        """Return a copy; options that are changed are checked when the component is built."""
        copied = super().model_copy(update=update, deep=deep)
        if update:
            copied._checked = None  # noqa: SLF001 - its own
        return copied

    def build(self, kind: str, *, weights: bool = True) -> Component:
        """Return a new component; errors as of `build_component`."""
        if self._checked is None:
            return build_component(kind, self.name, self.options, weights=weights)
        return create(get_registry().find(kind, self.name), self._checked, weights=weights)


def _none(value: object) -> object:
    return None if value == "none" else value


class Recipe(Section):
    """A run, from a prepared dataset to a trained model."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    summary: str = ""
    dataset: str = Field(description="name of a dataset prepared in the workspace")
    labels: Annotated[LabelSet | None, BeforeValidator(find_set, json_schema_input_type=str | LabelSet | None)] = Field(
        None,
        description="the emotions to distinguish: the name of a label set, a YAML file, or a set written out; "
        "null for the dataset's own",
    )
    tasks: Annotated[list[Task], BeforeValidator(distinct)] = Field(min_length=1)
    modalities: Annotated[list[Modality], BeforeValidator(distinct)] = Field(["text"], min_length=1)
    history: History = Field(
        8, description="utterances in a window, including the last one; `all` for the whole dialogue so far"
    )
    epc: Epc = Epc()
    tagger: Annotated[Block | None, BeforeValidator(_none)] = Field(
        None, description="source of word relations, or `none` for the network without KWRT"
    )
    text_encoder: Annotated[Block | None, BeforeValidator(_none)] = Field(None, description="needed for text")
    audio_encoder: Annotated[Block | None, BeforeValidator(_none)] = Field(None, description="needed for audio")
    prosody: Annotated[Block | None, BeforeValidator(_none)] = Field(
        None, description="prosody encoder, or `none` for the network without prosody enhancement"
    )
    fusion: Annotated[Block | None, BeforeValidator(_none)] = Field(None, description="needed for text and audio")
    cues: Annotated[Block | None, BeforeValidator(_none)] = Field(
        None, description="classifier of the utterance's words that ERC's answer is mixed with, or `none`"
    )
    decision: Decision = Decision()
    features: Features = Features()
    audio: Audio = Audio()
    network: Network = Network()
    training: Training = Training()

    def dumped(self) -> dict[str, Any]:
        """Return the recipe as plain values, with every default filled in."""
        values = self.model_dump(mode="json")
        return {k: "none" if v is None and k in BLOCKS else v for k, v in values.items()}

    def reads(self, modality: Modality) -> bool:
        """Return whether a modality is among the inputs; blocks of other modalities are ignored."""
        return modality in self.modalities

    @property
    def decides(self) -> bool:
        """Whether the network's probabilities are changed before they are the answer."""
        return self.cues is not None or self.decision != Decision()

    @property
    def sentiments(self) -> LabelSet | None:
        """The labels of the auxiliary sentiment classifier of ERC's utterance, or None without one."""
        learned = "erc" in self.tasks and self.training.task_weights.sentiment > 0
        return label_sets()["sentiment3"] if learned else None

    def classes(self, labels: int) -> dict[str, int]:
        """Return the number of classes of each training target, by its name in `Sample.targets`.

        Args:
            labels: number of emotions.
        """
        found: dict[str, int] = dict.fromkeys(self.tasks, labels)
        return found if self.sentiments is None else {**found, SENTIMENT: len(self.sentiments.labels)}

    @property
    def turns(self) -> int:
        """Number of distinct positions of utterances in a window; older utterances share the oldest position."""
        return self.history or _TURNS

    def lacking(self) -> list[tuple[str, str]]:
        """Return the settings that the modalities and tasks do not go with, each with what is wrong."""
        needed: dict[str, set[str]] = {
            "text_encoder": {"text"},
            "audio_encoder": {"audio"},
            "fusion": {"text", "audio"},
        }
        found = [
            (key, f"is missing, but needed for {' and '.join(self.modalities)}")
            for key, modalities in needed.items()
            if getattr(self, key) is None and modalities <= set(self.modalities)
        ]
        if self.cues is not None and not (self.reads("text") and "erc" in self.tasks):
            found.append(("cues", "needs the modality text and the task erc; set it to none"))
        if self.decision.forecaster and not {"erc", "epc"} <= set(self.tasks):
            found.append(("decision.forecaster", "needs the tasks erc and epc; set it to 0"))
        return found

    def to_yaml(self) -> str:
        """Return the recipe as YAML, with every default filled in."""
        return yaml.safe_dump(self.dumped(), sort_keys=False, allow_unicode=True)

    @overload
    def component(self, key: Literal["tagger"]) -> Tagger: ...
    @overload
    def component(self, key: Literal["text_encoder"], *, weights: bool = True) -> TextEncoder: ...
    @overload
    def component(self, key: Literal["audio_encoder"], *, weights: bool = True) -> AudioEncoder: ...
    @overload
    def component(self, key: Literal["prosody"]) -> ProsodyEncoder: ...
    @overload
    def component(self, key: Literal["fusion"], *, weights: bool = True) -> Fusion: ...
    @overload
    def component(self, key: Literal["cues"]) -> CueClassifier: ...
    def component(self, key: str, *, weights: bool = True) -> Component:
        """Return a new component for the block `key` of this recipe.

        Args:
            key: the block.
            weights: false for `Component.without_weights`.

        Raises:
            PluginError: the plugin cannot be loaded.
            RecipeError: the recipe names no component there.
        """
        block: Block | None = getattr(self, key)
        if block is None:
            raise RecipeError(f"recipe {self.name}: {key} is none")
        return block.build(BLOCKS[key], weights=weights)


def build_component(kind: str, name: str, options: Mapping[str, Any], *, weights: bool = True) -> Component:
    """Return a component built from its options; without `weights`, what its `without_weights` returns.

    Raises:
        PluginError: no plugin provides it, or it cannot be loaded.
        RecipeError: the options are invalid; lists all problems.
    """
    entry = get_registry().find(kind, name)
    checked, problems = check_options(entry, options)
    if checked is None:
        lines = tuple(f"{path}: {wrong}" if path else wrong for path, wrong in problems)
        raise RecipeError(f"invalid options for {kind} {name!r}", problems=lines)
    return create(entry, checked, weights=weights)


def load_recipe(name_or_path: str, settings: Sequence[str] = ()) -> Recipe:
    """Return a recipe by name or path, with `--set` settings applied and every default filled in.

    Raises:
        RecipeError: the recipe is invalid; lists all problems.
    """
    path = find_recipe(name_or_path)
    values, text = read_block(path, "a recipe", hint="see `ecef recipes init`")
    replaced = [setting.partition("=")[0].strip() for setting in settings]
    below = tuple(f"{key}." for key in replaced)
    places = {key: f"{path}:{line}" for key, line in lines_of(text).items() if not key.startswith(below)}
    places |= dict.fromkeys(replaced, "--set")
    return check_recipe(override(values, settings), where=name_or_path, places=places)


def check_recipe(values: dict[str, Any], *, where: str, places: Mapping[str, str] | None = None) -> Recipe:
    """Return the recipe that `values` describe, with the options of its components filled in.

    Args:
        values: the recipe, parsed from YAML.
        where: its name in an error.
        places: `file:line` of each setting, by its path, if known.

    Raises:
        RecipeError: the recipe is invalid; lists all problems, each with its path and the closest valid word.
        PluginError: a component of an otherwise valid recipe cannot be loaded.
    """
    problems: list[tuple[str, str]] = []
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        problems += explain(error, Recipe, ())
    else:
        problems += recipe.lacking()
    blocks = _check_blocks(values)
    problems += blocks.problems
    if problems or recipe is None:
        lines = [located(path, wrong, places or {}) for path, wrong in problems] + list(map(str, blocks.failures))
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise RecipeError(f"recipe {where}: {count}", problems=tuple(lines))
    if blocks.failures:
        raise blocks.failures[0]
    return recipe.model_copy(update=blocks.filled)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The components of a recipe: those with options filled in, their problems, and those that failed to load."""

    filled: dict[str, Block]
    problems: list[tuple[str, str]]
    failures: list[PluginError]


def _check_blocks(values: Mapping[str, Any]) -> _Blocks:
    found = _Blocks({}, [], [])
    registry = get_registry()
    for key, kind in BLOCKS.items():
        block = values.get(key)
        if not (isinstance(block, dict) and isinstance(block.get("name"), str)):
            continue
        try:
            entry = registry.find(kind, block["name"])
        except PluginError as error:
            found.problems.append((f"{key}.name", str(error)))
            continue
        try:
            checked, problems = check_options(entry, {k: v for k, v in block.items() if k != "name"}, (key,))
        except PluginError as error:
            found.failures.append(error)
            continue
        found.problems.extend(problems)
        if checked is not None:
            found.filled[key] = Block.filled(entry.name, checked)
    return found
