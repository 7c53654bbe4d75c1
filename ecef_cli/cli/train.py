"""`ecef train`: train the network of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ecef_cli import console
from ecef_cli.cli.options import device_option, recipe_argument, set_option, tolerate_recordings_option

if TYPE_CHECKING:
    from ecef_cli.workspace import Workspace


@click.command("train")
@recipe_argument
@set_option
@click.option("--name", help="Name of the run. [default: the recipe's name]")
@click.option("--seed", type=click.IntRange(0), help="Short for --set training.seed=N.")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    metavar="N",
    help="Train N runs, NAME-seed1, NAME-seed2 and so on from the recipe's seed, and report their spread.",
)
@tolerate_recordings_option
@device_option
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard curves to RUN/tensorboard.")
@click.option("--force", is_flag=True, help="Delete a run of this name and start again.")
@click.pass_obj
def command(
    workspace: Workspace,
    recipe: str,
    settings: tuple[str, ...],
    name: str | None,
    seed: int | None,
    seeds: int | None,
    tolerate: str,
    device: str,
    tensorboard: bool,
    force: bool,
) -> None:
    """Train the network of RECIPE (a name or a file) and choose the epoch on the dev split.

    Makes missing tags and features first. To resume an interrupted training, run the same command again; the result is
    the same as without the interruption.

    Processes that a launcher starts train together, each on a GPU of its own: `accelerate launch -m ecef_cli train
    RECIPE`, or `torchrun`, which also works on the CPU with --device cpu.
    """
    from ecef_cli.corpus.tolerance import Tolerance
    from ecef_cli.recipe.model import load_recipe
    from ecef_cli.training.loop import train
    from ecef_cli.training.processes import leave
    from ecef_cli.training.seeds import seeded, spread

    loaded = load_recipe(recipe, settings if seed is None else (*settings, f"training.seed={seed}"))
    planned = {name or loaded.name: loaded}
    if seeds is not None:
        first = loaded.training.seed
        planned = seeded(name or loaded.name, first, seeds, lambda setting: load_recipe(recipe, (*settings, setting)))
    runs = []
    for run_name, run_recipe in planned.items():
        run = train(
            workspace,
            run_recipe,
            name=run_name,
            device=device,
            tolerance=Tolerance.parse(tolerate),
            force=force,
            tensorboard=tensorboard,
        )
        console.data(str(run.folder), flush=True)
        runs.append(run)
    if seeds is not None:
        console.note(spread(runs))
    leave()
