"""`ecef train`: train the network of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ecef_cli.commands.options import device_option, recipe_argument, set_option, tolerate_recordings_option

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


@click.command("train")
@recipe_argument
@set_option
@click.option("--name", help="Name of the run; the recipe's name where left out.")
@click.option("--seed", type=click.IntRange(0), help="Short for --set training.seed=N.")
@tolerate_recordings_option
@device_option
@click.option("--force", is_flag=True, help="Throw away a run of this name and start again.")
@click.pass_obj
def command(
    workspace: Workspace,
    recipe: str,
    settings: tuple[str, ...],
    name: str | None,
    seed: int | None,
    tolerate: str,
    device: str,
    force: bool,
) -> None:
    """Train the network of RECIPE (a name or a file) and choose its epoch on the dev split.

    Tags and features that are not there are made first. A training that was stopped, even killed, goes on where it
    was when the same command is given again, to the same result.
    """
    from ecef_cli.devices import resolve_device
    from ecef_cli.recipe import load_recipe
    from ecef_cli.tolerance import Tolerance
    from ecef_cli.training.loop import train

    seeded = settings if seed is None else (*settings, f"training.seed={seed}")
    loaded = load_recipe(recipe, seeded)
    run = train(
        workspace,
        loaded,
        name=name or loaded.name,
        device=resolve_device(device),
        tolerance=Tolerance.parse(tolerate),
        force=force,
    )
    click.echo(run.folder)
