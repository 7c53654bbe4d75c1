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
@click.option("--force", is_flag=True, help="Recompute all features.")
@click.pass_obj
def command(
    workspace: Workspace, recipe: str, settings: tuple[str, ...], tolerate: str, device: str, force: bool
) -> None:
    """Run the frozen encoders of RECIPE (a name or a file) over its dataset: text per window, audio per utterance.

    Stores features in the workspace, under a key of everything they depend on. An interrupted extraction resumes; a
    finished one is not repeated. Recordings that cannot be read are reported and skipped, and all other features are
    stored before --tolerate is applied.
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
