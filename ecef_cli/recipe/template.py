"""Write a new recipe: every setting, each with a comment."""

from __future__ import annotations

from textwrap import indent, wrap
from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml

from ecef_cli import console
from ecef_cli.api.errors import EcefError, UsageProblem
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.labels import LabelSet, label_sets
from ecef_cli.recipe.model import BLOCKS, Block, Recipe, load_recipe
from ecef_cli.recipe.problems import inner_model
from ecef_cli.recipe.shipped import list_recipes
from ecef_cli.workspace import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_HEAD = """\
# A recipe: the one file that determines a run. It lists every setting; a setting that you delete gets its
# default. `ecef recipes check FILE` reports all problems at once.
"""
_WIDTH = 110


def start_recipe(path: Path | None, *, source: str | None = None, force: bool = False) -> None:
    """Write a new recipe with comments.

    Args:
        path: the file to write; None for stdout. The file's stem becomes the recipe's name if it is a valid name.
        source: the recipe, by name or path, to take the values from.
        force: whether to overwrite an existing file.

    Raises:
        RecipeError: `source` does not exist or is invalid.
        UsageProblem: the file exists with other content, and `force` is false.
    """
    source = source or _default_source()
    recipe = load_recipe(source)
    if path is None:
        console.data(commented(recipe).rstrip("\n"))
        return
    try:
        recipe = Recipe.model_validate(recipe.dumped() | {"name": path.stem})
    except ValueError:
        console.note(f"{path.stem!r} cannot be the name of a recipe; the recipe is named {recipe.name!r}")
    text = commented(recipe)
    try:
        if path.exists() and not force:
            if path.read_bytes() == text.encode():
                console.note(f"{path}: already exists with the same content")
                return
            raise UsageProblem(f"{path}: already exists", hint="use --force to overwrite it")
        write_text(path, text)
    except OSError as error:
        raise EcefError(f"cannot be written: {error.strerror}", where=str(path)) from None
    console.note(f"{path}: written, with the values of {source}")


def _default_source() -> str:
    """Return the first recipe with the most tasks, of those that come with ecef."""
    listed = list_recipes()
    if not listed:
        raise UsageProblem("this installation has no recipes", hint="give one with --from")
    return max(listed, key=lambda recipe: len(recipe.tasks)).name


def commented(recipe: Recipe) -> str:
    """Return a recipe as YAML with comments and every default."""
    return _HEAD + "".join(_settings(Recipe, recipe.dumped()))


def _settings(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        value = values[name]
        inner = inner_model(model, name)
        if model is Recipe and name in BLOCKS:
            text = f"{name}: none\n" if value == "none" else f"{name}:\n{_indented(_block(BLOCKS[name], value))}"
        elif inner is LabelSet and isinstance(value, dict):
            text = f"{name}: {_label_set(value)}\n"
        elif inner is not None and isinstance(value, dict):
            text = f"{name}:\n{_indented(''.join(_settings(inner, value)))}"
        else:
            text = f"{name}: {_plain(value)}\n"
        blank = "\n" if model is Recipe else ""
        yield blank + _comment(field, inner) + text


def _label_set(values: Mapping[str, Any]) -> str:
    """Return a label set as its name if it comes with ecef, else written out."""
    found = LabelSet.model_validate(values)
    if label_sets().get(found.name) == found:
        return found.name
    return "\n" + _indented(found.to_yaml()).removesuffix("\n")


def _block(kind: str, values: Mapping[str, Any]) -> str:
    """Return a component's name and options; `values` are complete, because the recipe has been checked."""
    entry = get_registry().find(kind, values["name"])
    others = [e.name for e in get_registry().entries(kind) if e.name != entry.name]
    lines = [f"# {entry.summary}\n" if entry.summary else "", f"name: {_plain(entry.name)}"]
    lines.append(f"  # or: {', '.join(others)}\n" if others else "\n")
    return "".join([*lines, *_settings(entry.load().Options, values)])


def _comment(field: FieldInfo, inner: type[BaseModel] | None) -> str:
    parts = [field.description or "", _choices(field.annotation)]
    if not field.description and inner not in {None, Block}:
        first = (inner.__doc__ or "").strip().partition("\n")[0]
        parts[0] = first[:1].lower() + first[1:]
    text = "; ".join(part.rstrip(".") for part in parts if part)
    return "".join(f"# {line}\n" for line in wrap(text, _WIDTH - 4))


def _choices(annotation: Any) -> str:
    """Return the values of a setting that is a choice of words."""
    from typing import Literal

    if get_origin(annotation) is Literal:
        return "one of: " + ", ".join(map(str, get_args(annotation)))
    inner = [_choices(part) for part in get_args(annotation)]
    return next(filter(None, inner), "").replace("one of", "of" if get_origin(annotation) is list else "one of")


def _plain(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _indented(text: str) -> str:
    return indent(text, "  ")
