"""`ecef audit`: check a run or a recipe for leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ecef_cli import console
from ecef_cli.cli.options import device_option, set_option

if TYPE_CHECKING:
    from ecef_cli.corpus.checks.check import Check
    from ecef_cli.workspace import Workspace


@click.command("audit")
@click.argument("subject", metavar="RUN|RECIPE")
@set_option
@click.option(
    "--format",
    "form",
    type=click.Choice(console.FORMATS),
    help="Default: table on a terminal, jsonl in a pipe.",
)
@device_option
@click.pass_obj
def command(workspace: Workspace, subject: str, settings: tuple[str, ...], form: str | None, device: str) -> None:
    """Check RUN, or RECIPE before it is trained, for leaks into its predictions.

    Changes later utterances and labels, and checks that the predictions of the real components stay the same. Compares
    stored features with their windows, looks for dialogues that are in two splits, and checks how the epoch was
    chosen. The dataset must be prepared. The exit code is 3 if a check fails.

    If a run and a recipe have the same name, checks the run, or the recipe if `--set` is given.
    """
    from ecef_cli.corpus.checks.check import raise_on_failure
    from ecef_cli.network.devices import resolve_device

    checks = _checks(workspace, subject, settings, resolve_device(device))
    console.records([check.as_dict() for check in checks], wanted=form)
    raise_on_failure(checks, subject)


def _checks(workspace: Workspace, subject: str, settings: tuple[str, ...], device: str) -> list[Check]:
    from ecef_cli.api.errors import DataError, RecipeError, UsageProblem
    from ecef_cli.evaluation.audit.audit import audit_recipe, audit_run
    from ecef_cli.prediction.stream import window_probabilities
    from ecef_cli.recipe.model import load_recipe
    from ecef_cli.recipe.shipped import find_recipe
    from ecef_cli.runs.run import find_run

    run, seeds = None, None
    try:
        run = None if settings else find_run(workspace, subject)
    except (UsageProblem, DataError) as missing:
        seeds = missing.hint if "-seed" in (missing.hint or "") else None
    if run is not None:
        return audit_run(workspace, run, window_probabilities, device=device)
    try:
        find_recipe(subject)
    except RecipeError as error:
        raise UsageProblem(f"no run or recipe is called {subject!r}", hint=seeds or error.hint) from None
    return audit_recipe(workspace, load_recipe(subject, settings), window_probabilities, device=device)
