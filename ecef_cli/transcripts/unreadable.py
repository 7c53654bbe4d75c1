"""Recognise files that hold no readable transcript, and name the command that converts them."""

from __future__ import annotations

from pathlib import PurePath

_OFFICE = "soffice --headless --convert-to {to} {file}"
_BY_EXTENSION = {
    ".docx": ("a Word document", "pandoc {file} -t plain --wrap=none -o {stem}.txt"),
    ".odt": ("an OpenDocument text", "pandoc {file} -t plain --wrap=none -o {stem}.txt"),
    ".rtf": ("an RTF document", "pandoc {file} -t plain --wrap=none -o {stem}.txt"),
    ".doc": ("a Word document", _OFFICE.replace("{to}", "txt:Text")),
    ".pdf": ("a PDF document", "pdftotext -layout {file} {stem}.txt"),
    ".xlsx": ("an Excel workbook", _OFFICE.replace("{to}", "csv")),
    ".xls": ("an Excel workbook", _OFFICE.replace("{to}", "csv")),
    ".ods": ("an OpenDocument spreadsheet", _OFFICE.replace("{to}", "csv")),
    ".ass": ("subtitles in another format", "ffmpeg -i {file} {stem}.srt"),
    ".ssa": ("subtitles in another format", "ffmpeg -i {file} {stem}.srt"),
    ".ttml": ("subtitles in another format", "ffmpeg -i {file} {stem}.srt"),
    ".sub": ("subtitles in another format", "ffmpeg -i {file} {stem}.srt"),
    ".html": ("a web page", "pandoc {file} -t plain --wrap=none -o {stem}.txt"),
    ".htm": ("a web page", "pandoc {file} -t plain --wrap=none -o {stem}.txt"),
    ".ctm": ("a list of words without speakers", "ecef predict TURNS.rttm --option words={file}"),
    ".zip": ("a ZIP archive", "unzip {file}"),
    ".tar": ("an archive", "tar -xf {file}"),
    ".7z": ("an archive", "7z x {file}"),
}
_BY_CONTENT = (
    (b"%PDF-", ".pdf"),
    (b"{\\rtf", ".rtf"),
    (b"\xd0\xcf\x11\xe0", ".doc"),
    (b"7z\xbc\xaf", ".7z"),
)
_OFFICE_PARTS = (
    (b"word/", ".docx"),
    (b"xl/", ".xlsx"),
    (b"opendocument.text", ".odt"),
    (b"opendocument.spread", ".ods"),
)


def conversion(head: bytes, name: str) -> tuple[str, str] | None:
    """Return what a file is and the command that converts it, or None if that is not known.

    Args:
        head: the first bytes of the file.
        name: its name.
    """
    path = PurePath(name)
    found = _kind(head) or path.suffix.casefold()
    if found not in _BY_EXTENSION:
        return None
    kind, command = _BY_EXTENSION[found]
    return kind, command.format(file=_quoted(str(path)), stem=_quoted(str(path.with_suffix(""))))


def _kind(head: bytes) -> str | None:
    if head.startswith(b"PK\x03\x04"):
        return next((extension for part, extension in _OFFICE_PARTS if part in head), ".zip")
    return next((extension for mark, extension in _BY_CONTENT if head.startswith(mark)), None)


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
