"""Write tables for a terminal, as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ecef_cli import console
from ecef_cli.evaluation.bootstrap import Difference, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ecef_cli.reports.tables import Cell, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def write(tables: Sequence[Table], form: str) -> str:
    """Return tables as text.

    CSV is one table with a figure per line: `table`, `row`, `column`, `value`, and its interval as `low` and `high`.

    Args:
        tables: the tables.
        form: `table`, `markdown`, `latex` or `csv`.
    """
    if form == "csv":
        return _csv(tables)
    each: dict[str, Callable[[Table], str]] = {"table": _terminal, "markdown": _markdown, "latex": _latex}
    return "\n\n".join(each[form](table) for table in tables)


def _terminal(table: Table) -> str:
    """Return a table with each interval below its figure."""
    lines: list[list[str]] = []
    for row in table.rows:
        lines.append(["" if cell is None else _figure(cell) for cell in row])
        below = [_interval(cell) for cell in row]
        if any(below):
            lines.append(below)
    notes = ["\n".join(table.notes)] if table.notes else []
    return "\n\n".join([table.title, console.table(lines, table.columns), *notes])


def _figure(cell: Cell) -> str:
    if isinstance(cell, Difference):
        return f"{cell.value:+.2f}"
    value = cell.value if isinstance(cell, Estimate) else cell
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _interval(cell: Cell) -> str:
    if not isinstance(cell, Estimate) or cell.low is None or cell.high is None:
        return ""
    sign = "+" if isinstance(cell, Difference) else ""
    return f"{cell.low:{sign}.1f} to {cell.high:{sign}.1f}"


def _inline(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Estimate) and cell.low is not None and cell.high is not None:
        sign = "+" if isinstance(cell, Difference) else ""
        return f"{cell.value:{sign}.2f} [{cell.low:{sign}.2f}, {cell.high:{sign}.2f}]"
    return _figure(cell)


def _markdown(table: Table) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    rule = line("---" if column < table.names else "---:" for column in range(len(table.columns)))
    rows = [line(map(_inline, row)) for row in table.rows]
    notes = ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join([f"**{table.title}**", "", line(table.columns), rule, *rows, *notes])


def _latex(table: Table) -> str:
    r"""Return a table for the package `booktabs`, with each interval in small type beside its figure."""

    def shown(cell: Cell) -> str:
        figure, space, between = _inline(cell).partition(" ") if isinstance(cell, Estimate) else (_inline(cell), "", "")
        return _escaped(figure) + (rf" {{\scriptsize {between}}}" if space else "")

    def line(cells: Iterable[str]) -> str:
        return "  " + " & ".join(cells) + r" \\"

    columns = "l" * table.names + "r" * (len(table.columns) - table.names)
    return "\n".join(
        [
            *(f"% {' '.join(note.split())}" for note in table.notes),
            r"\begin{table}",
            rf"  \caption{{{_escaped(table.title)}}}",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"  \toprule",
            line(map(_escaped, table.columns)),
            r"  \midrule",
            *(line(map(shown, row)) for row in table.rows),
            r"  \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _csv(tables: Sequence[Table]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("table", "row", "column", "value", "low", "high"))
    for table in tables:
        for row in table.rows:
            name = " / ".join(str(cell) for cell in row[: table.names])
            for column, cell in zip(table.columns[table.names :], row[table.names :], strict=True):
                if isinstance(cell, Estimate):
                    writer.writerow((table.title, name, column, cell.value, cell.low, cell.high))
                elif cell is not None:
                    writer.writerow((table.title, name, column, cell, None, None))
    return stream.getvalue().rstrip("\n")


def as_dict(table: Table) -> dict[str, Any]:
    """Return a table as a dict: rows by column, intervals as value, low and high."""

    def plain(cell: Cell) -> Any:
        return asdict(cell) if isinstance(cell, Estimate) else cell

    rows = [dict(zip(table.columns, map(plain, row), strict=True)) for row in table.rows]
    return {"title": table.title, "rows": rows, "notes": list(table.notes)}
