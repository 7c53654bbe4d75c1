"""`ecef extract`: run the frozen encoders of a recipe over its dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ecef_cli.cli.options import device_option, recipe_argument, set_option, tolerate_recordings_option

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


@click.command("extract")
@recipe_argument
@set_option
@tolerate_recordings_option
@device_option
@click.option("--force", is_flag=True, help="Compute all features again.")
@click.pass_obj
def command(
    workspace: Workspace, recipe: str, settings: tuple[str, ...], tolerate: str, device: str, force: bool
) -> None:
    """Run the frozen encoders of RECIPE (a name or a file) over its dataset: text by windows, audio by utterances.

    Features go to the workspace, under a key of everything that decides them. A command that was stopped goes on
    where it was; where nothing changed it does nothing. A recording that cannot be read costs a line and not the
    work: the rest is saved before the share of such recordings is judged.
    """
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.features.encoders import build_encoders
    from ecef_cli.network.devices import resolve_device
    from ecef_cli.recipe.model import load_recipe
    from ecef_cli.samples.inputs import recipe_audio, recipe_features
    from ecef_cli.samples.protocol import recipe_dataset, windowed

    tolerance = Tolerance.parse(tolerate)
    loaded = load_recipe(recipe, settings)
    prepared = recipe_dataset(workspace, loaded)
    encoders = build_encoders(loaded, device=resolve_device(device))
    if encoders.text is not None:
        recipe_features(workspace, loaded, windowed(loaded, prepared), encoders.text, force=force)
    for encoder, spectrum in ((encoders.audio, False), (encoders.spectrum, True)):
        if encoder is not None:
            recipe_audio(workspace, loaded, prepared, encoder, spectrum=spectrum, tolerance=tolerance, force=force)
