"""A recipe: the one file that determines a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ecef_cli.errors import EcefError, PluginError, RecipeError, did_you_mean
from ecef_cli.problems import explain, located
from ecef_cli.registry import get_registry
from ecef_cli.settings import lines_of, override, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.components import Component, Tagger, TextEncoder

Task = Literal["erc", "epc"]
Metric = Literal["accuracy", "weighted_f1", "uar", "macro_f1"]
BLOCKS = {"tagger": "tagger", "text_encoder": "text_encoder"}
"""The recipe's keys that name a component, with the component's kind."""


class Section(BaseModel):
    """A part of a recipe; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Block(BaseModel):
    """A component by name, with its options beside the name; the component's own `Options` checks them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1)

    @property
    def options(self) -> dict[str, Any]:
        """The options as written."""
        return dict(self.__pydantic_extra__ or {})


def _none(value: object) -> object:
    return None if value == "none" else value


class Network(Section):
    """The trained network."""

    width: int = Field(256, ge=8, description="width of the feature extraction module; the paper's is 1024")
    heads: int = Field(8, ge=1, description="attention heads")
    layers: int = Field(2, ge=1, description="Transformer layers of the feature extraction module")
    feedforward: int = Field(4, ge=1, description="width of the feed-forward part, as a multiple of `width`")
    dropout: float = Field(0.1, ge=0, lt=1)
    pooling: Literal["mean", "attention"] = Field("mean", description="how positions become one vector a task")

    @model_validator(mode="after")
    def _heads_divide(self) -> Network:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared by {self.heads} heads")
        return self


class Features(Section):
    """How frozen features are stored."""

    dtype: Literal["float16", "float32"] = Field("float16", description="type on disk")


class TaskNumbers(Section):
    """A number for each task."""

    erc: float = Field(1.0, ge=0)
    epc: float = Field(1.0, ge=0)


class ClassBalance(Section):
    """How far each class's loss is weighted by its inverse frequency: 0 not at all, 1 fully."""

    erc: float = Field(0.0, ge=0, le=1)
    epc: float = Field(0.0, ge=0, le=1)


class Selection(Section):
    """The validation metric that chooses the epoch; with two tasks, the mean of the two."""

    erc: Metric = "weighted_f1"
    epc: Metric = "uar"


class Training(Section):
    """The training loop."""

    seed: int = Field(1, ge=0, le=2**31 - 1)
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1, description="windows a step")
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(1e-4, gt=0)
    encoder_learning_rate: float | None = Field(
        None, gt=0, description="of the encoder's trainable layers; `learning_rate` where null"
    )
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps over which the rate rises")
    schedule: Literal["constant", "linear", "cosine"] = Field("linear", description="after the warm-up")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    average: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the running average of the weights that is validated and kept; 0 for none",
    )
    class_balance: ClassBalance = ClassBalance()
    task_weights: TaskNumbers = TaskNumbers()
    select: Selection = Selection()
    patience: int = Field(3, ge=1, description="epochs without a better validation score before stopping")


def _distinct(value: list[Any]) -> list[Any]:
    if len(set(value)) != len(value):
        raise ValueError("an entry stands twice")
    return value


class Recipe(Section):
    """A run, from a prepared dataset to a trained model."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    summary: str = ""
    dataset: str = Field(description="name of a dataset prepared in the workspace")
    tasks: Annotated[list[Task], BeforeValidator(_distinct)] = Field(min_length=1)
    modalities: Annotated[list[Literal["text"]], BeforeValidator(_distinct)] = Field(["text"], min_length=1)
    history: int = Field(8, ge=1, description="utterances in a window, the last one included")
    tagger: Annotated[Block | None, BeforeValidator(_none)] = Field(
        description="source of word relations, or `none` for the network without KWRT"
    )
    text_encoder: Block
    features: Features = Features()
    network: Network = Network()
    training: Training = Training()

    def dumped(self) -> dict[str, Any]:
        """Return the recipe as plain values, every default written out."""
        values = self.model_dump(mode="json")
        return {k: "none" if v is None and k == "tagger" else v for k, v in values.items()}

    def to_yaml(self) -> str:
        """Return the recipe as YAML, every default written out."""
        return yaml.safe_dump(self.dumped(), sort_keys=False, allow_unicode=True)

    @overload
    def component(self, key: Literal["tagger"]) -> Tagger: ...
    @overload
    def component(self, key: Literal["text_encoder"]) -> TextEncoder: ...
    def component(self, key: str) -> Component:
        """Return a new component for the block `key` of this recipe.

        Raises:
            PluginError: its plugin cannot be loaded.
            RecipeError: the recipe names none there.
        """
        block: Block | None = getattr(self, key)
        if block is None:
            raise RecipeError(f"recipe {self.name}: {key} is none")
        return build_component(BLOCKS[key], block.name, block.options)


def build_component(kind: str, name: str, options: Mapping[str, Any]) -> Component:
    """Return a component built from its options.

    Raises:
        PluginError: no plugin brings it, or it cannot be loaded.
        RecipeError: the options are wrong; all problems at once.
    """
    entry = get_registry().find(kind, name)
    found = entry.load()
    try:
        checked = found.Options.model_validate(dict(options))
    except ValidationError as error:
        problems = tuple(f"{path}: {wrong}" for path, wrong in explain(error, found.Options, ()))
        raise RecipeError(f"wrong options for {kind} {name!r}", problems=problems) from None
    try:
        return found(checked)
    except EcefError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise PluginError(f"{entry} cannot be built: {type(error).__name__}: {text}") from error


# ------------------------------------------------------------------------------------------------ reading


def recipes_folder() -> Path:
    """Return the folder of the recipes that come with ecef."""
    package = Path(__file__).parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with ecef."""
    return tuple(sorted(p.stem for p in recipes_folder().glob("*.yaml")))


@dataclass(frozen=True, slots=True)
class Listed:
    """A recipe that comes with ecef, as a list shows it."""

    name: str
    tasks: tuple[str, ...]
    dataset: str
    summary: str


def list_recipes() -> tuple[Listed, ...]:
    """Return the recipes that come with ecef; nothing in them is checked."""
    found = []
    for name in recipe_names():
        path = recipes_folder() / f"{name}.yaml"
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        found.append(Listed(name, tuple(values["tasks"]), values["dataset"], values.get("summary", "")))
    return tuple(found)


def find_recipe(name_or_path: str) -> Path:
    """Return the file of a recipe given by name or path.

    Raises:
        RecipeError: there is none.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        if not path.is_file():
            raise RecipeError(f"{path}: no such file", hint="or give the name of a recipe: `ecef recipes list`")
        return path
    shipped = recipes_folder() / f"{name_or_path}.yaml"
    if not shipped.is_file():
        raise RecipeError(f"no recipe is called {name_or_path!r}", hint=did_you_mean(name_or_path, recipe_names()))
    return shipped


def load_recipe(name_or_path: str, settings: Sequence[str] = ()) -> Recipe:
    """Return a recipe by name or path, with `--set` settings applied and every default filled in.

    Raises:
        RecipeError: everything that is wrong with it, at once.
    """
    path = find_recipe(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from None
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a block of settings", hint="see `ecef recipes init`")
    places = {key: f"{path}:{line}" for key, line in lines_of(text).items()}
    places |= {setting.partition("=")[0].strip(): "--set" for setting in settings}
    return check_recipe(override(values, settings), where=name_or_path, places=places)


def check_recipe(values: dict[str, Any], *, where: str, places: Mapping[str, str] | None = None) -> Recipe:
    """Return the recipe that `values` describe, with the options of its components filled in.

    Args:
        values: the recipe as YAML gives it.
        where: what to call it in an error.
        places: `file:line` of each setting, by its path, where that is known.

    Raises:
        RecipeError: all problems at once, each with its path and the nearest right word.
        PluginError: a component that the recipe names cannot be loaded, and nothing else is wrong.
    """
    problems: list[tuple[str, str]] = []
    failures: list[PluginError] = []
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        problems += explain(error, Recipe, ())
    filled: dict[str, Block] = {}
    registry = get_registry()
    for key, kind in BLOCKS.items():
        block = values.get(key)
        if not (isinstance(block, dict) and isinstance(block.get("name"), str)):
            continue
        try:
            entry = registry.find(kind, block["name"])
        except PluginError as error:
            problems.append((f"{key}.name", str(error)))
            continue
        try:
            options = entry.load().Options
            checked = options.model_validate({k: v for k, v in block.items() if k != "name"})
        except PluginError as error:
            failures.append(error)
        except ValidationError as error:
            problems += explain(error, options, (key,))
        else:
            filled[key] = Block.model_validate({"name": entry.name, **checked.model_dump(mode="json")})
    if problems or recipe is None:
        lines = [located(path, wrong, places or {}) for path, wrong in problems] + list(map(str, failures))
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise RecipeError(f"recipe {where}: {count}", problems=tuple(lines))
    if failures:
        raise failures[0]
    return recipe.model_copy(update=filled)
