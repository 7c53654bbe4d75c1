"""`ecef recipes`: list, show, inspect, check and create recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecef_cli import console
from ecef_cli.cli.options import recipe_argument, set_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecef_cli.evaluation.cost.network import Inspection
    from ecef_cli.recipe.model import Recipe

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(console.FORMATS),
    help="Default: table on a terminal, jsonl in a pipe.",
)


@click.group("recipes")
def command() -> None:
    """List, show, inspect, check and create recipes.

    A recipe is the one file that determines a run. RECIPE is the name of a recipe that comes with ecef, or a file.
    """


@command.command("list")
@format_option
def list_(form: str | None) -> None:
    """List the recipes that come with ecef."""
    from dataclasses import asdict

    from ecef_cli.recipe.shipped import list_recipes

    columns = ("name", "tasks", "dataset", "summary")
    console.records([asdict(recipe) for recipe in list_recipes()], wanted=form, columns=columns)


@command.command("labels")
@click.argument("name", required=False)
@format_option
def labels(name: str | None, form: str | None) -> None:
    """List the label sets that a recipe's `labels` and `ecef eval --label-map` accept by name.

    With NAME, a set or a YAML file, prints that set as YAML: the labels in order, each with its names in corpora. Any
    other emotion of a corpus has no label.
    """
    from ecef_cli.recipe.labels import label_sets, read_label_set

    if name is not None:
        if form is not None:
            raise click.UsageError("--format is for the list; a label set is printed as YAML")
        console.data(read_label_set(name).to_yaml().rstrip("\n"))
        return
    plain = console.choose_format(form) in {"table", "csv"}
    rows = [
        {"name": found.name, "labels": ", ".join(found.labels) if plain else found.labels, "summary": found.summary}
        for found in label_sets().values()
    ]
    console.records(rows, wanted=form)


@command.command("show")
@recipe_argument
@set_option
@click.option("--diff", "other", metavar="OTHER", help="Print only the settings in which the recipe OTHER differs.")
@format_option
def show(recipe: str, settings: tuple[str, ...], other: str | None, form: str | None) -> None:
    """Print RECIPE as YAML, with every default filled in.

    With --diff, prints one row per setting that differs: its value in RECIPE, after --set, and in OTHER. --format is
    for these rows.
    """
    from ecef_cli.recipe.model import load_recipe

    if other is None:
        if form is not None:
            raise click.UsageError("--format needs --diff; a recipe is printed as YAML")
        console.data(load_recipe(recipe, settings).to_yaml().rstrip("\n"))
        return
    plain = console.choose_format(form) in {"table", "csv"}
    rows = _differences(
        load_recipe(recipe, settings), load_recipe(other), shown=_shown if plain else lambda value: value
    )
    if rows:
        console.records(rows, wanted=form, columns=("setting", "value", "other"))
    else:
        console.note(f"{recipe} and {other} are the same")


def _shown(value: Any) -> Any:
    """Return a value for a table cell, which would show None and an empty list as nothing."""
    import json

    return json.dumps(value) if value is None or isinstance(value, bool) or value == [] else value


def _differences(recipe: Recipe, other: Recipe, *, shown: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """Return a row per setting that differs, without the value of a recipe that lacks the setting."""
    from ecef_cli.recipe.model import BLOCKS
    from ecef_cli.recipe.strict_yaml import ABSENT, differing

    def named(values: dict[str, Any]) -> dict[str, Any]:
        # `none` is compared with a component's name, so that its options stand by themselves.
        blocks = {key: {"name": value} for key, value in values.items() if key in BLOCKS and value == "none"}
        return {key: value for key, value in {**values, **blocks}.items() if key != "summary"}

    rows = []
    for found in differing(named(recipe.dumped()), named(other.dumped())):
        values = {"value": found.before, "other": found.now}
        known = {key: shown(value) for key, value in values.items() if value is not ABSENT}
        rows.append({"setting": found.path, **known})
    return rows


@command.command("inspect")
@recipe_argument
@set_option
@click.option("--words", type=click.IntRange(1), metavar="N", help="Words per utterance. [default: 10]")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Seconds per utterance. [default: 3.1]",
)
@click.option("--batch-size", type=click.IntRange(1), metavar="N", help="Windows per step; default: the recipe's.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    help="Default: table on a terminal, JSON in a pipe.",
)
def inspect_(
    recipe: str,
    settings: tuple[str, ...],
    words: int | None,
    seconds: float | None,
    batch_size: int | None,
    form: str | None,
) -> None:
    """Print the parameters of RECIPE's network, and the operations and memory of a training step.

    It trains nothing, and needs neither a dataset nor pretrained weights: the configurations of the usual models are
    kept with ecef. Costs are those of windows of usual length, as given by --words and --seconds, with a token per
    word; memory grows with the longest window of a batch.

    Memory is that of tensors alone. Activations include the attention matrices that a CPU keeps when attention has
    dropout; the fused kernels of GPUs keep none.
    """
    import json

    from ecef_cli.evaluation.cost import network
    from ecef_cli.recipe.model import load_recipe

    found = network.inspect(
        load_recipe(recipe, settings),
        words=words or network.WORDS,
        seconds=seconds or network.SECONDS,
        batch_size=batch_size,
    )
    if console.choose_format(form) == "table":
        console.data(_tables(found))
    else:
        console.data(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))


def _tables(found: Inspection) -> str:
    from ecef_cli.console import table

    window, memory = found.window, found.memory
    positions = {"of text": window.text, "of audio": window.audio, "of the spectrum (patches of time)": window.patches}
    heard = "" if window.seconds is None else f" and {window.seconds:g} s"
    title = (
        f"{found.recipe}: windows of {window.utterances} utterances of {window.words} words{heard}, positions: "
        + ", ".join(f"{count} {kind}" for kind, count in positions.items() if count)
    )
    rows = [(part.name, part.trained, part.frozen) for part in found.parts]
    rows.append(("all", sum(part.trained for part in found.parts), sum(part.frozen for part in found.parts)))
    before = [
        (f"{one.key}: {one.name}", "not counted: no PyTorch modules" if one.parameters is None else one.parameters)
        for one in found.once
    ]
    operations = [
        ("forward, per window", found.forward_per_window / 1e9),
        (f"forward and backward, per step of {found.batch_size} windows", found.step / 1e9),
    ]
    sizes = {
        "trained weights": memory.weights,
        "gradients": memory.gradients,
        "Adam's moments": memory.moments,
        "running average of the weights": memory.average,
        "frozen layers": memory.frozen,
        "batch": memory.batch,
        "activations": memory.activations,
        "all": memory.total,
    }
    together = "" if found.together == found.batch_size else f", {found.together} windows at a time"
    return "\n\n".join(
        [
            title,
            table([[name, *map(_grouped, counts)] for name, *counts in rows], ["parameters", "trained", "frozen"]),
            table([[name, _grouped(count)] for name, count in before], ["runs once, in `ecef extract`", "parameters"]),
            *([table(operations, ["floating-point operations", "GFLOP"])] if found.cost else []),
            table(
                [[name, size / 2**20] for name, size in sizes.items() if size is not None],
                [f"memory of a step in {found.precision}{together}", "MiB"],
                digits=1,
            ),
            "\n".join(found.notes),
        ]
    ).rstrip()


def _grouped(count: float | str) -> str:
    return count if isinstance(count, str) else f"{count:,}"


@command.command("check")
@recipe_argument
@set_option
def check(recipe: str, settings: tuple[str, ...]) -> None:
    """Check RECIPE and report all problems at once; the exit code is 0 or 2."""
    from ecef_cli.recipe.model import load_recipe

    load_recipe(recipe, settings)
    console.note(f"{recipe}: ok")


@command.command("schema")
def schema() -> None:
    """Print the JSON schema of recipes, with the options of the installed components.

    Editors use it to complete and check recipes.
    """
    import json

    from ecef_cli.recipe.schema import recipe_schema

    console.data(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))


@command.command("init")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), default="recipe.yaml")
@click.option("--from", "source", metavar="RECIPE", help="Start with the values of this recipe.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(path: Path, source: str | None, force: bool) -> None:
    """Write a new recipe to PATH (`-` is stdout): every setting, each with a comment."""
    from ecef_cli.recipe.template import start_recipe

    start_recipe(None if str(path) == "-" else path, source=source, force=force)
