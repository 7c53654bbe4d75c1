"""`ecef extract`: run the frozen encoders of a recipe over its dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ecef_cli.commands.options import device_option, recipe_argument, set_option

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


@click.command("extract")
@recipe_argument
@set_option
@device_option
@click.option("--force", is_flag=True, help="Compute all features again.")
@click.pass_obj
def command(workspace: Workspace, recipe: str, settings: tuple[str, ...], device: str, force: bool) -> None:
    """Run the frozen encoder of RECIPE (a name or a file) over every window of its dataset.

    Features go to the workspace, under a key of everything that decides them. A command that was stopped goes on
    where it was; where nothing changed it does nothing.
    """
    from ecef_cli.devices import resolve_device
    from ecef_cli.manifest import load_prepared
    from ecef_cli.recipe import load_recipe
    from ecef_cli.samples.inputs import recipe_features

    loaded = load_recipe(recipe, settings)
    prepared = load_prepared(workspace, loaded.dataset)
    encoder = loaded.component("text_encoder")
    encoder.place(resolve_device(device))
    recipe_features(workspace, loaded, prepared, encoder, force=force)
