"""Find the recipes that come with ecef, and recipe files by path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecef_cli.api.errors import RecipeError, did_you_mean
from ecef_cli.recipe.strict_yaml import parse_yaml


def recipes_folder() -> Path:
    """Return the folder of the recipes that come with ecef."""
    package = Path(__file__).parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with ecef."""
    return tuple(sorted(p.stem for p in recipes_folder().glob("*.yaml")))


@dataclass(frozen=True, slots=True)
class Listed:
    """A recipe that comes with ecef, for a list."""

    name: str
    tasks: tuple[str, ...]
    dataset: str
    summary: str


def list_recipes() -> tuple[Listed, ...]:
    """Return the recipes that come with ecef, unchecked."""
    found = []
    for name in recipe_names():
        path = recipes_folder() / f"{name}.yaml"
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        found.append(Listed(name, tuple(values["tasks"]), values["dataset"], values.get("summary", "")))
    return tuple(found)


def find_recipe(name_or_path: str) -> Path:
    """Return the file of a recipe given by name or path.

    Raises:
        RecipeError: no such recipe.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        if not path.is_file():
            raise RecipeError(f"{path}: no such file", hint="`ecef recipes list` names the recipes that come with ecef")
        return path
    shipped = recipes_folder() / f"{name_or_path}.yaml"
    if not shipped.is_file():
        raise RecipeError(f"no recipe is called {name_or_path!r}", hint=did_you_mean(name_or_path, recipe_names()))
    return shipped
