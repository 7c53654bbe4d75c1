"""Command line: a lazy group, and the one place where errors become exit codes."""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecef_cli import console
from ecef_cli.api.errors import EcefError, described, nearest
from ecef_cli.cli import signals
from ecef_cli.workspace import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

_REPORT_TIME = 10.0  # seconds for the main process to report

COMMANDS = {
    "prepare": "Turn a corpus or your dialogue files into a prepared dataset.",
    "tag": "Tag word pairs with relations: the cues of KWRT.",
    "extract": "Run the frozen encoders over a prepared dataset.",
    "train": "Train the network that a recipe describes.",
    "eval": "Evaluate trained runs against baselines.",
    "audit": "Check a run or a recipe for leaks into its predictions.",
    "transcribe": "Turn recordings of conversations into dialogue files.",
    "predict": "Recognise each utterance's emotion, and predict the next one's.",
    "recipes": "List, show, inspect, check and create recipes.",
    "plugins": "List the installed components.",
    "doctor": "Check the installation, and suggest a fix for each problem.",
}
"""Subcommands with their help lines, so that the group's help imports none of them."""

_RESTARTED_BY_FORCE = {"extract", "train"}
"""Subcommands that delete earlier work if `--force` is given, and resume otherwise."""
_RESUMABLE = {"prepare", *_RESTARTED_BY_FORCE}
"""Subcommands that keep finished work when they are interrupted."""


class LazyGroup(click.Group):
    """Import a subcommand when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """Return the subcommands in the order of the data's path."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"ecef_cli.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the subcommands and their help lines without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a subcommand; suggest the nearest one if there is no such command."""
        close = nearest(args[0], COMMANDS) if args and args[0] not in COMMANDS else None
        if close and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close!r}?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete subcommands without importing them, and options as Click does."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(n, help=line) for n, line in COMMANDS.items() if n.startswith(incomplete)]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand, and print the traceback of an error if `--verbose` was given."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(ctx.invoked_subcommand) from error  # only this method knows the subcommand
        except (SystemExit, Exception) as error:
            if isinstance(error, BrokenPipeError) and _reader_is_gone():
                raise
            if ctx.params["verbose"] and (console.rank() == 0 or not isinstance(error, EcefError)):
                traceback.print_exception(error)
            if isinstance(error, BrokenPipeError | EOFError):
                # Click would take them for a closed stdout and for Ctrl-D, and exit without a message.
                raise EcefError(described(error)) from error
            raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ECEF_WORKSPACE",
    default=Path(DEFAULT),
    show_default=True,
    help="Folder of prepared datasets and runs; also ECEF_WORKSPACE.",
)
@click.option("--offline", is_flag=True, envvar="ECEF_OFFLINE", help="Never contact the model hub or any other server.")
@click.option("-v", "--verbose", is_flag=True, help="Print the traceback of an error.")
@click.version_option(package_name="ecef-cli", prog_name="ecef")
@click.pass_context
def ecef(ctx: click.Context, workspace: Path, offline: bool, verbose: bool) -> None:  # noqa: ARG001
    """Recognise and predict emotion in conversation.

    Recognise the emotion of each utterance of a dialogue (ERC), and predict the emotion of the next one (EPC).
    """
    from ecef_cli.workspace import Workspace

    if offline:
        # Hugging Face reads it once, on its first import, and no subcommand is imported yet.
        os.environ["HF_HUB_OFFLINE"] = "1"
    ctx.obj = Workspace(workspace)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by `>&-`, which is not an error
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as we run
    signals.as_interrupts()
    code = run(list(sys.argv[1:] if args is None else args))
    try:
        sys.stdout.flush()
    except OSError:
        _silence()  # `run` has reported it; the interpreter's last flush would print it again, as a traceback
    gc.freeze()  # the process ends: Python need not look for cycles among all that PyTorch's modules hold
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Return the exit code of a command line; every error becomes words here and nowhere else."""
    try:
        result: Any = ecef.main(arguments, prog_name="ecef", standalone_mode=False)
        sys.stdout.flush()  # while a full disk or a closed pipe can still be reported
    except (KeyboardInterrupt, click.Abort) as error:
        return _end(_interrupted(error, arguments), signals.exit_code(), wait=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _end(_wrong_usage(error), error.exit_code)
    except EcefError as error:
        return _end(str(error), error.exit_code)
    except (SystemExit, Exception) as error:  # noqa: BLE001 - the last resort, so that no user meets a bare traceback
        return _unforeseen(error)
    return result if type(result) is int else 0


def _wrong_usage(error: click.ClickException) -> str:
    """Return the message for a wrong command line, with the place of a global option or the help to read."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "ecef"
    if isinstance(error, click.NoSuchOption) and any(error.option_name in option.opts for option in ecef.params):
        right = command.replace("ecef", f"ecef {error.option_name}", 1)
        return f"{error.option_name} is a global option. Put it before the command: `{right} …`"
    return f"{' '.join(error.format_message().split())} (see `{command} --help`)"


def _interrupted(error: BaseException, arguments: Sequence[str]) -> str:
    """Return the message for an interruption, which Click turns into an error of its own."""
    interruption = error.__cause__ if isinstance(error.__cause__, KeyboardInterrupt) else error
    command = str(interruption)
    if command not in _RESUMABLE:
        return "interrupted"
    without = " without --force" if command in _RESTARTED_BY_FORCE and "--force" in arguments else ""
    return f"interrupted; run the same command{without} to resume"


def _unforeseen(error: BaseException) -> int:
    """Return the exit code of an error that none of ecef's own tells of."""
    if isinstance(error, SystemExit | BrokenPipeError) and _reader_is_gone():
        _silence()
        return 0
    from ecef_cli.api.libraries import import_failure

    found = import_failure(error)
    if found is not None:
        return _end(str(found), found.exit_code, every=True)
    if isinstance(error, SystemExit | BrokenPipeError):
        # Click ends a shell completion this way, and any command whose stdout was closed.
        code = getattr(error, "code", 1)
        return code if isinstance(code, int) else int(code is not None)
    text = _refusal(error) if isinstance(error, OSError) else f"{described(error)} (`ecef -v …` shows the traceback)"
    return _end(text, 1, every=True)


def _end(text: str, code: int, *, every: bool = False, wait: bool = True) -> int:
    """Print the message and return the code; of a launcher's processes only the main one prints, unless `every`.

    The others `wait` for it to print, as the launcher ends all processes with the first.
    """
    rank = console.rank()
    if rank == 0 or every:
        with suppress(OSError):  # SIGHUP says that the terminal is gone
            click.echo(f"ecef: {f'process {rank}: ' if rank else ''}{console.harmless(text)}", err=True)
    elif wait:
        time.sleep(_REPORT_TIME)
    return code


def _refusal(error: OSError) -> str:
    """Return an operating system error in words; a missing permission needs the path, not the traceback."""
    if isinstance(error, PermissionError) and error.filename:
        from ecef_cli.workspace import refused

        return f"{refused(error, Path())}: {error.strerror}"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error} (`ecef -v …` shows the traceback)"


def _reader_is_gone() -> bool:
    """Return whether nobody reads stdout any more, as after `| head`."""
    import select

    try:
        watcher = select.poll()
        watcher.register(sys.stdout.fileno(), 0)  # errors are reported without being asked for
    except (AttributeError, OSError, ValueError):
        return False  # no `poll` on this system, or stdout is not a file, and so not a closed pipe
    return bool(watcher.poll(0))


def _silence() -> None:
    """Discard the rest of stdout's buffer, so that no later flush fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
