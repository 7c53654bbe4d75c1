"""`ecef recipes`: list, show, check and start recipes."""

from __future__ import annotations

from pathlib import Path

import click

from ecef_cli import output
from ecef_cli.commands.options import recipe_argument, set_option


@click.group("recipes")
def command() -> None:
    """List, show, check and start recipes.

    A recipe is the one file that determines a run. RECIPE is the name of one that comes with ecef, or a file.
    """


@command.command("list")
@click.option(
    "--format",
    "form",
    type=click.Choice(output.FORMATS),
    help="Default: table on a terminal, jsonl in a pipe.",
)
def list_(form: str | None) -> None:
    """List the recipes that come with ecef."""
    from dataclasses import asdict

    from ecef_cli.recipe import list_recipes

    columns = ("name", "tasks", "dataset", "summary")
    output.records([asdict(recipe) for recipe in list_recipes()], wanted=form, columns=columns)


@command.command("show")
@recipe_argument
@set_option
def show(recipe: str, settings: tuple[str, ...]) -> None:
    """Print RECIPE as YAML, every default filled in."""
    from ecef_cli.recipe import load_recipe

    output.data(load_recipe(recipe, settings).to_yaml().rstrip("\n"))


@command.command("check")
@recipe_argument
@set_option
def check(recipe: str, settings: tuple[str, ...]) -> None:
    """Check RECIPE and name all that is wrong with it at once; the exit code is 0 or 2."""
    from ecef_cli.recipe import load_recipe

    load_recipe(recipe, settings)
    output.note(f"{recipe}: ok")


@command.command("schema")
def schema() -> None:
    """Print the JSON schema of recipes, with the options of the components installed here.

    An editor that reads it completes and checks recipes while they are written.
    """
    import json

    from ecef_cli.recipe_schema import recipe_schema

    output.data(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))


@command.command("init")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), default="recipe.yaml")
@click.option("--from", "source", metavar="RECIPE", help="Start with the values of this recipe.")
@click.option("--force", is_flag=True, help="Replace a file that says something else.")
def init(path: Path, source: str | None, force: bool) -> None:
    """Write a recipe to start from to PATH (`-` is stdout): every setting, each with a comment."""
    from ecef_cli.recipe_template import start_recipe

    start_recipe(None if str(path) == "-" else path, source=source, force=force)
