"""The command line: a lazy group, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecef_cli.errors import EcefError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130

COMMANDS = {
    "prepare": "Turn a corpus, or your own dialogue files, into a prepared dataset.",
    "tag": "Tag word pairs with relations: the cues of KWRT.",
    "extract": "Run the frozen encoders over a prepared dataset.",
    "train": "Train the network that a recipe describes.",
    "eval": "Measure a trained run, beside baselines.",
    "predict": "Say what each utterance feels, and what the next will feel.",
    "recipes": "List, show, check and start recipes.",
    "plugins": "List the installed components.",
}
"""Subcommands with their help lines, so that the group's help imports none of them."""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the subcommands in the order of the data's path."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"ecef_cli.commands.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands from their help lines alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest subcommand where the one asked for does not exist."""
        close = nearest(args[0], COMMANDS) if args and args[0] not in COMMANDS else None
        if close and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close!r}?")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ECEF_WORKSPACE",
    default=Path("ecef-work"),
    show_default=True,
    help="Folder of prepared datasets and runs; also ECEF_WORKSPACE.",
)
@click.option("--offline", is_flag=True, envvar="ECEF_OFFLINE", help="Never ask the model hub or any other server.")
@click.option("-v", "--verbose", is_flag=True, help="Add the traceback to an error.")
@click.version_option(package_name="ecef-cli", prog_name="ecef")
@click.pass_context
def ecef(ctx: click.Context, workspace: Path, offline: bool, verbose: bool) -> None:
    """Read emotion in conversation.

    Recognise what each utterance of a dialogue feels (ERC) and predict what the next one will feel (EPC).
    """
    from ecef_cli.workspace import Workspace

    if offline:
        # Hugging Face reads it once, when it is first imported; no subcommand has been by now.
        os.environ["HF_HUB_OFFLINE"] = "1"
    ctx.obj = Workspace(workspace)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = list(sys.argv[1:] if args is None else args)
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    try:
        result: Any = ecef.main(arguments, prog_name="ecef", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except EcefError as error:
        _say(error, arguments)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our pipe has gone, as `| head` does. Nothing more can be said on stdout.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort, so that no user meets a bare traceback
        _say(error, arguments)
        return 1
    return result if isinstance(result, int) else 0


def _say(error: Exception, arguments: Sequence[str]) -> None:
    verbose = any(a in {"-v", "--verbose"} for a in arguments)
    if verbose:
        traceback.print_exception(error)
    text = str(error) if isinstance(error, EcefError) else f"{type(error).__name__}: {' '.join(str(error).split())}"
    tail = "" if verbose or isinstance(error, EcefError) else " (run it again with -v for the traceback)"
    click.echo(f"ecef: {text}{tail}", err=True)
