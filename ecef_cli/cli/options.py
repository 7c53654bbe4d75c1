"""Options that several subcommands share."""

from __future__ import annotations

import click

recipe_argument = click.argument("recipe")

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="A.B=VALUE",
    help="Override a setting of the recipe; may be given several times.",
)

device_option = click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]|mps", help="Where to compute."
)

tolerate_option = click.option(
    "--tolerate",
    default="0",
    show_default=True,
    metavar="SHARE%|ROWS",
    help="Leave out broken rows, up to a share (1%) or a number (5), instead of stopping at the first.",
)

tolerate_recordings_option = click.option(
    "--tolerate",
    default="0",
    show_default=True,
    metavar="SHARE%|COUNT",
    help="Go on without recordings that cannot be read, up to a share (1%) or a number (5) of them.",
)
