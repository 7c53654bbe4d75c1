"""Console output: data on stdout, everything else on stderr."""

from __future__ import annotations

import csv
import json
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

FORMATS = ("table", "jsonl", "json", "csv")
_SLOW = 1.0  # seconds before a progress bar appears
_SELDOM = 60.0  # seconds between two progress lines in a log


def rank() -> int:
    """Return the rank of this process among those a launcher started; 0 for the main process or a single one."""
    return int(os.environ.get("RANK", "0")) if "LOCAL_RANK" in os.environ else 0


def note(message: str) -> None:
    """Print a message to stderr, from the main process only."""
    if rank() == 0:
        _WAITING.erase()
        print(harmless(message), file=sys.stderr)  # noqa: T201


class _Waiting:
    """Status line on a terminal while work is slow."""

    def __init__(self) -> None:
        self._lock, self._shown = threading.Lock(), ""

    def show(self, line: str, over: threading.Event) -> None:
        """Show a line, unless its work is over."""
        with self._lock:
            if not over.is_set():
                self._shown = line
                print(line, end="", file=sys.stderr, flush=True)  # noqa: T201

    def erase(self) -> None:
        """Erase the current line, if any."""
        with self._lock:
            if self._shown:
                print(f"\r{' ' * len(self._shown)}\r", end="", file=sys.stderr, flush=True)  # noqa: T201
                self._shown = ""


_WAITING = _Waiting()


@contextmanager
def waiting(line: str) -> Iterator[None]:
    """Show a line when work takes over a second; erase it at the first message or when the work is done.

    Nothing is shown if stderr is not a terminal.
    """
    if rank() != 0 or not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    timer = threading.Timer(_SLOW, _WAITING.show, (line, over))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        over.set()
        timer.cancel()
        _WAITING.erase()


def warn(message: str) -> None:
    """Print a warning to stderr."""
    note(f"warning: {message}")


def data(text: str, *, flush: bool = False) -> None:
    """Write a line of data to stdout, from the main process only; `flush` sends it to the pipe at once.

    Characters that a terminal obeys are escaped as in JSON, in which the escape means the same.
    """
    if rank() != 0:
        return
    sys.stdout.write(harmless(text) + "\n")
    if flush:
        sys.stdout.flush()


def choose_format(wanted: str | None) -> str:
    """Return the output format: the requested one, else a table on a terminal and JSON Lines in a pipe."""
    return wanted or ("table" if sys.stdout.isatty() else "jsonl")


def records(rows: Sequence[Mapping[str, Any]], *, wanted: str | None, columns: Sequence[str] | None = None) -> None:
    """Write rows as a table, JSON Lines, a JSON list or CSV.

    Args:
        rows: the rows; all have the same keys.
        wanted: one of `FORMATS`, or None for the default of `choose_format`.
        columns: the keys to show, in order; None for all keys of the first row.
    """
    form = choose_format(wanted)
    if form == "jsonl":
        for row in rows:
            data(json.dumps(row, ensure_ascii=False))
    elif form == "json":
        data(json.dumps(list(rows), ensure_ascii=False, indent=2))
    else:
        names = list(columns or (rows[0] if rows else ()))
        if form == "csv" and rank() == 0:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(names)
            writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])
        elif form == "table":
            data(table([[_cell(row.get(name)) for name in names] for row in rows], names))


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


# Control characters could move the cursor or clear the screen, and overrides of the direction of writing could make a
# text look like another one.
DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that override the direction of writing."""
_ESCAPED = {
    code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), *DIRECTIONS) if chr(code) not in "\t\n"
}
_CONTROL = (  # in a cell, Unicode's pictures of them take less room
    {code: 0x2400 + code for code in range(0x20)}
    | {0x7F: 0x2421}
    | dict.fromkeys((*range(0x80, 0xA0), *DIRECTIONS), 0xFFFD)
)
_LONGEST = 240  # maximum characters in a cell


def harmless(text: str) -> str:
    """Return a text with escapes for the characters that a terminal obeys, except tabs and line breaks."""
    return text.translate(_ESCAPED)


def shortened(text: str) -> str:
    """Return a text cut to fit a table cell."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def table(
    rows: Sequence[Sequence[Any]],
    headers: Sequence[str],
    *,
    digits: int = 2,
    widths: Sequence[int | None] | None = None,
) -> str:
    """Return a plain table; floats get `digits` decimals, and cells wider than their column wrap."""
    from tabulate import tabulate

    return tabulate(
        [[cell.translate(_CONTROL) if isinstance(cell, str) else cell for cell in row] for row in rows],
        headers=headers,
        floatfmt=f".{digits}f",
        maxcolwidths=None if widths is None else list(widths),
        disable_numparse=[i for i in range(len(headers)) if any(isinstance(row[i], str) for row in rows)],
    )


class Progress:
    """A progress bar on stderr for work over a second; a line per minute if stderr is not a terminal.

    Only the main process shows it.

    Args:
        total: number of units, or None if unknown.
        label: name of the work.
        unit: name of the units, in the plural.
    """

    def __init__(self, total: int | None, label: str, unit: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total,
            desc=label,
            unit=f" {unit}",
            delay=_SLOW,
            disable=None if rank() == 0 else True,
            file=sys.stderr,
            leave=False,
        )
        self._label, self._unit, self._total = label, unit, total
        self._done, self._told = 0, time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count finished units."""
        self._bar.update(count)
        self._done += count
        self._tell()

    def reach(self, done: int, total: int | None = None) -> None:
        """Set the number of finished units, and the total once it is known."""
        if total is not None:
            self._bar.total = self._total = total
        self.advance(done - self._done)

    def _tell(self) -> None:
        """Print a progress line for a log if the last one is over a minute old; the caller reports the end."""
        if not self._bar.disable or self._done == self._total or time.monotonic() - self._told < _SELDOM:
            return
        self._told = time.monotonic()
        whole = "" if self._total is None else f" of {self._total:,}"
        note(f"{self._label}: {self._done:,}{whole} {self._unit}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


class Stopwatch:
    """Measure wall time in seconds."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since creation."""
        return time.perf_counter() - self._start
