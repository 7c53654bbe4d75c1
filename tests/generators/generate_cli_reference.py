"""Write docs/reference/cli.md from the commands' own help.

python tests/generators/generate_cli_reference.py
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecef_cli.cli.main import ecef

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HEAD = """\
# The command line

What `ecef --help` and the help of each subcommand say. This page is made from them; after a change of a
command, `python tests/generators/generate_cli_reference.py` makes it anew.

Data goes to stdout and everything else to stderr. Exit codes: 0 done, 1 failed while running, 2 usage or
recipe, 3 data worse than the tolerance, 4 plugin, 130 interrupted (143 by
SIGTERM, 129 by SIGHUP). `ecef -v …` adds the traceback to an error.

On a terminal, work over a second shows a bar; in a pipe or a log, a line a minute says how far it is. `prepare`,
`extract`, `train` and `transcribe` keep what is done when they are stopped, and go on there when the same command is
given again.

| Variable | Meaning |
|---|---|
| `ECEF_WORKSPACE` | the folder of prepared datasets and runs, as `--workspace` |
| `ECEF_OFFLINE` | never ask a server, as `--offline` |
| `ECEF_CACHE` | the folder of downloads, indexes and replies; the system's folder for `ecef`'s cache where not given |
| `ECEF_PLUGINS` | `a,b`: of third parties, load only these plugins or distributions; empty: none |
| `ECEF_STRICT_PLUGINS` | `1`: a plugin that fails to load is an error, exit code 4 |
"""


def reference() -> str:
    """Return the page."""
    context = click.Context(ecef, info_name="ecef", **ecef.context_settings)
    return HEAD + "".join(_sections(ecef, context))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    # The width is fixed: the page must not depend on the terminal that it was made in.
    context.terminal_width = 100
    context.max_content_width = 100
    yield f"\n## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _sections(inner, click.Context(inner, parent=context, info_name=name))


if __name__ == "__main__":
    from ecef_cli.workspace import write_text

    write_text(TARGET, reference())
    print(TARGET)
