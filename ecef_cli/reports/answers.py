"""Write predicted rows to a file, in the format of its extension."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from ecef_cli.api.dialogue import to_json
from ecef_cli.api.errors import DataError, UsageProblem
from ecef_cli.workspace import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Row = Mapping[str, Any]

_TASKS = ("prediction", "forecast")
_MILLISECONDS = 1000


def write_answers(path: Path, rows: Sequence[Row]) -> None:
    """Write predicted rows to a file, which replaces an old one when it is whole.

    Args:
        path: the file; its extension is one of `WRITERS`.
        rows: rows as `ecef predict` prints them.

    Raises:
        DataError: the format needs times, and a row has none.
    """
    with replacing(path) as part:
        WRITERS[path.suffix.casefold()](part, rows)


def check_output(path: Path) -> None:
    """Check, before any work, that answers can be written to a path.

    Raises:
        UsageProblem: the extension is unknown, or Parquet is not installed.
    """
    suffix = path.suffix.casefold()
    if suffix not in WRITERS:
        raise UsageProblem(f"--output {path}: unknown extension {suffix!r}", hint=f"use one of {', '.join(WRITERS)}")
    if suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401, ICN001 - only to see whether it is installed
        except ImportError:
            hint = "pip install 'ecef-cli[parquet]', or write .csv"
            raise UsageProblem(f"--output {path}: Parquet needs pyarrow", hint=hint) from None


def flat(row: Row) -> dict[str, Any]:
    """Return a row for a table: a column for each emotion's probability, and JSON for nested values of other keys."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key in _TASKS and isinstance(value, dict):
            found[key] = value["emotion"]
            found |= {f"{key}_{label}": p for label, p in value["probabilities"].items()}
            found |= {f"{key}_{name}": v for name, v in value.items() if name not in ("emotion", "probabilities")}
        else:
            found[key] = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
    return found


def _json_lines(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(f"{to_json(row)}\n" for row in rows), encoding="utf-8", newline="\n")


def _table(rows: Sequence[Row]) -> tuple[list[str], list[dict[str, Any]]]:
    table = [flat(row) for row in rows]
    return list(dict.fromkeys(key for row in table for key in row)), table


def _csv(path: Path, rows: Sequence[Row], *, delimiter: str = ",") -> None:
    columns, table = _table(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _tsv(path: Path, rows: Sequence[Row]) -> None:
    _csv(path, rows, delimiter="\t")


def _parquet(path: Path, rows: Sequence[Row]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns, table = _table(rows)
    try:
        arrays = {name: pa.array([row.get(name) for row in table]) for name in columns}
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"a column has values of several types: {error}", hint="write .csv or .jsonl") from error
    parquet.write_table(pa.table(arrays), path)


def _timed(rows: Sequence[Row]) -> list[tuple[float, float, Row]]:
    found = []
    for number, row in enumerate(rows, start=1):
        start, end = row.get("start"), row.get("end")
        if not isinstance(start, int | float) or not isinstance(end, int | float):
            problem = f"row {number} has no 'start' and 'end', which this format needs"
            raise DataError(problem, hint="write .jsonl or .csv instead")
        found.append((float(start), float(end), row))
    return found


def _felt(row: Row) -> str:
    return str((row.get("prediction") or row["forecast"])["emotion"])


def _clock(seconds: float, point: str) -> str:
    total = round(seconds * _MILLISECONDS)
    minutes, rest = divmod(total, 60 * _MILLISECONDS)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // _MILLISECONDS:02}{point}{rest % _MILLISECONDS:03}"


def _line(text: object) -> str:
    """Return a text in one line: a blank line would end the cue."""
    return " ".join(str(text).split())


def _subrip(path: Path, rows: Sequence[Row]) -> None:
    cues = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n"
        f"{_line(row['speaker'])}: [{_felt(row)}] {_line(row.get('text') or '')}\n"
        for number, (start, end, row) in enumerate(_timed(rows), start=1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8", newline="\n")


def _webvtt(path: Path, rows: Sequence[Row]) -> None:
    def safe(text: object) -> str:
        return _line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def cue(row: Row) -> str:
        felt = _felt(row)
        words = f"<c.{felt.replace(' ', '-')}>[{safe(felt)}] {safe(row.get('text') or '')}</c>"
        return f"<v {safe(row['speaker'])}>{words}</v>\n"

    cues = [f"{_clock(start, '.')} --> {_clock(end, '.')}\n{cue(row)}" for start, end, row in _timed(rows)]
    path.write_text("\n".join(["WEBVTT\n", *cues]), encoding="utf-8", newline="\n")


def _tiers(rows: Sequence[Row]) -> dict[str, list[tuple[float, float, str]]]:
    """Return two tiers for each speaker, of words and of emotions."""
    found: dict[str, list[tuple[float, float, str]]] = {}
    for start, end, row in sorted(_timed(rows), key=lambda timed: timed[0]):
        speaker = _line(row["speaker"])
        found.setdefault(speaker, []).append((start, end, _line(row.get("text") or "")))
        found.setdefault(f"{speaker} emotion", []).append((start, end, _felt(row)))
    return found


def _textgrid(path: Path, rows: Sequence[Row]) -> None:
    tiers = _tiers(rows)
    last = max((end for tier in tiers.values() for _, end, _ in tier), default=0.0)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"xmin = 0\nxmax = {last}", "tiers? <exists>"]
    lines += [f"size = {len(tiers)}", "item []:"]
    for number, (name, tier) in enumerate(tiers.items(), start=1):
        intervals = _filled(name, tier, last)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        lines += ["        xmin = 0", f"        xmax = {last}", f"        intervals: size = {len(intervals)}"]
        for index, (start, end, text) in enumerate(intervals, start=1):
            lines += [f"        intervals [{index}]:", f"            xmin = {start}", f"            xmax = {end}"]
            lines.append(f"            text = {_quoted(text)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _filled(name: str, tier: Sequence[tuple[float, float, str]], last: float) -> list[tuple[float, float, str]]:
    """Return the intervals of a tier from 0 to the end, with empty ones between, as Praat needs them."""
    found, reached = [], 0.0
    for start, end, text in tier:
        if start < reached:
            speaker = name.removesuffix(" emotion")
            problem = f"two utterances of {speaker} overlap at {start:g} s, which a TextGrid cannot hold"
            raise DataError(problem, hint="write .eaf, .jsonl or .csv instead")
        if start > reached:
            found.append((reached, start, ""))
        found.append((start, end, text))
        reached = end
    return [*found, (reached, last, "")] if reached < last else found


def _elan(path: Path, rows: Sequence[Row]) -> None:
    made = {"AUTHOR": "ecef", "DATE": "1970-01-01T00:00:00+00:00"}  # a fixed date: the same rows give the same file
    root = ET.Element("ANNOTATION_DOCUMENT", made, FORMAT="3.0", VERSION="3.0")
    ET.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    order = ET.SubElement(root, "TIME_ORDER")
    slots = annotations = 0
    for name, tier in _tiers(rows).items():
        element = ET.SubElement(root, "TIER", LINGUISTIC_TYPE_REF="default-lt", TIER_ID=name)
        for start, end, text in tier:
            annotations += 1
            refs = []
            for seconds in (start, end):
                slots += 1
                refs.append(f"ts{slots}")
                value = str(round(seconds * _MILLISECONDS))
                ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=refs[-1], TIME_VALUE=value)
            held = ET.SubElement(element, "ANNOTATION")
            aligned = ET.SubElement(
                held,
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{annotations}",
                TIME_SLOT_REF1=refs[0],
                TIME_SLOT_REF2=refs[1],
            )
            ET.SubElement(aligned, "ANNOTATION_VALUE").text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    kind = {"LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
    ET.SubElement(root, "LINGUISTIC_TYPE", kind)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


WRITERS: dict[str, Callable[[Path, Sequence[Row]], None]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
    ".srt": _subrip,
    ".vtt": _webvtt,
    ".textgrid": _textgrid,
    ".eaf": _elan,
}
"""Function that writes rows, by the extension of the file."""
