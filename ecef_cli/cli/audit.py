"""`ecef audit`: does a run, or a recipe, keep to its protocol?"""

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
    """Check that nothing leaks into the answers of RUN, or of RECIPE before it is trained.

    Changes the future of a dialogue, and its labels, and asks for the same answers, on the real components; compares
    stored features with the windows they should be of; looks for dialogues that stand in two splits, and at how the
    epoch was chosen. The dataset must be prepared. Where a check fails, the exit code is 3.

    A name that is both a run and a recipe is taken for the run; `--set` is for recipes.
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
    from ecef_cli.recipe.model import find_recipe, load_recipe
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
        raise UsageProblem(
            f"there is neither a run nor a recipe called {subject!r}", hint=seeds or error.hint
        ) from None
    return audit_recipe(workspace, load_recipe(subject, settings), window_probabilities, device=device)
