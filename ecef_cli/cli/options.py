"""Options that several subcommands share."""

from __future__ import annotations

import click

recipe_argument = click.argument("recipe")

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="A.B=VALUE",
    help="Override a setting of the recipe; may be repeated.",
)

device_option = click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]|mps", help="Device to compute on."
)

tolerate_option = click.option(
    "--tolerate",
    default="0",
    show_default=True,
    metavar="SHARE%|ROWS",
    help="Skip invalid rows, up to a share (1%) or a number (5) of them.",
)

tolerate_recordings_option = click.option(
    "--tolerate",
    default="0",
    show_default=True,
    metavar="SHARE%|COUNT",
    help="Skip recordings that cannot be read, up to a share (1%) or a number (5) of them.",
)

transcriber_option = click.option(
    "--transcriber", metavar="NAME", help="Speech recogniser; `ecef plugins` lists them. [default: the built-in one]"
)
