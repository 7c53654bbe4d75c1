"""Read text files in a known encoding, also gzip files. An unknown encoding is an error, never a guess."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from ecef_cli.api.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTION = "--option encoding=NAME"
"""Option that states an encoding, as errors name it."""

_GZIP = b"\x1f\x8b"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it starts with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BINARY = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"SQLite": "an SQLite database",
}
_COMMON = (
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("iso8859_2", "iso8859_5", "koi8_r", "cp866", "cp437", "cp850", "cp852", "mac_roman", "mac_cyrillic"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
)
"""Encodings to suggest; the rare ones differ from these in few characters."""
_SAMPLE = 2**16  # bytes to examine for a suggestion
_SHOWN = 3  # suggestions
_NAMES = ("utf-8", "utf-16", "latin-1", *_COMMON)  # for spelling hints
_WORDS = 3  # words to show per suggestion
_SYMBOLS = frozenset("\u00aa\u00ba\u0192\u02c6\u02c7")  # letters to Python alone
_PUNCTUATION = ".?!:()'\u00ab\u00bb\u2026\u201c\u201d\u201e"
_FOREIGN = re.compile(r"[^\s,;|\"]*[^\x00-\x7f\s][^\s,;|\"]*")


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; a gzip file, recognized by its content, is unpacked.

    Raises:
        DataError: the file cannot be opened, or is a damaged gzip file.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
    with raw:
        if raw.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
            yield raw
            return
        try:
            with gzip.open(raw) as unpacked:
                yield cast("BinaryIO", unpacked)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            hint = "copy or download it again"
            raise DataError(f"damaged gzip file: {error}", where=str(path), hint=hint) from None


def plain_name(path: Path) -> Path:
    """Return a path without the suffix `.gz`: `calls.csv` for `calls.csv.gz`."""
    return path.with_suffix("") if path.suffix.casefold() == ".gz" else path


def read_text(path: Path, encoding: str | None = None, *, option: str = OPTION) -> str:
    """Return the text of a file without its byte order mark.

    Args:
        path: the file, also a gzip file.
        encoding: its encoding; None for UTF-8, or UTF-16 or UTF-32 with a byte order mark.
        option: the option that states an encoding, for errors.

    Raises:
        DataError: the file cannot be read, or is not in the encoding; the hint names likely ones.
    """
    try:
        with open_bytes(path) as stream:
            raw = stream.read()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return decode_text(raw, str(path), encoding, option=option)


def decode_text(raw: bytes, name: str, encoding: str | None = None, *, option: str = OPTION) -> str:
    """Return bytes as text, as `read_text` does.

    Args:
        raw: the bytes.
        name: the file's name, for errors.
        encoding: the encoding; None for UTF-8, or UTF-16 or UTF-32 with a byte order mark. A mark takes precedence.
        option: the option that states an encoding, for errors.

    Raises:
        DataError: the bytes are not in the encoding; the hint names likely ones.
    """
    kind = next((kind for magic, kind in _BINARY.items() if raw.startswith(magic)), None)
    if kind:
        raise DataError(f"not text, but {kind}", where=name, hint="export it as text in UTF-8, such as CSV")
    marked = next((found for mark, found in _MARKS.items() if raw.startswith(mark)), None)
    if encoding and not marked and not raw.isascii() and not _is_utf_8(encoding) and is_utf_8(raw):
        hint = f"leave {option} out for this file"
        raise DataError(f"the file is UTF-8, not {encoding}", where=name, hint=hint)
    if not (marked or encoding) and (wide := _unmarked_utf_16(raw)):
        hint = f"pass {option.replace('NAME', wide)}, or save the file as UTF-8"
        raise DataError("not UTF-8, but probably UTF-16 without a byte order mark", where=f"{name}:1", hint=hint)
    chosen = marked or encoding or "utf-8"
    try:
        return raw.decode(chosen)
    except UnicodeDecodeError as error:
        where = f"{name}:{_line(raw, error.start)}"
        if marked or encoding:
            problem = f"not {chosen}: {error.reason}"
            hint = "the file is cut off or damaged" if marked else f"choose another {option}"
            raise DataError(problem, where=where, hint=hint) from None
        raise encoding_error(raw, error.start, where, option) from None


def known_encoding(name: str) -> str:
    """Return the name of a text encoding if Python knows it.

    Raises:
        ValueError: the encoding is unknown.
    """
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise ValueError(f"unknown encoding {name!r}; {did_you_mean(name, _NAMES)}") from None
    return name


def is_utf_8(raw: bytes) -> bool:
    """Return whether bytes are valid UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def likely_encodings(raw: bytes) -> dict[str, str]:
    """Return encodings that bytes may be in, the most likely first, each with words that it reads.

    Args:
        raw: bytes that are not UTF-8.
    """
    from charset_normalizer import from_bytes

    lines = [line for line in raw[: 4 * _SAMPLE].splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE]
    ranked = [match.encoding for match in from_bytes(sample, cp_isolation=list(_COMMON))]
    words = {encoding: _foreign_words(sample, encoding) for encoding in ("cp1252", *ranked)}
    # Of encodings that read the same, name Windows-1252, the most common one.
    same = next((encoding for encoding in ranked if words[encoding] == words["cp1252"]), None)
    order = ["cp1252" if encoding == same else encoding for encoding in ranked]
    order.sort(key=lambda encoding: -round(_share_of_words(words[encoding]), 1))
    found: dict[str, str] = {}
    for encoding in order:
        read = " ".join(words[encoding][:_WORDS])
        if read and read not in found.values() and "\ufffd" not in read:
            found[encoding] = read
    return found


def _foreign_words(sample: bytes, encoding: str) -> list[str]:
    """Return the distinct words of a sample that are not ASCII."""
    return list(dict.fromkeys(_FOREIGN.findall(sample.decode(encoding, errors="replace"))))


def _share_of_words(words: list[str]) -> float:
    """Return the share of strings that are spelled like words: only letters, and capitals only where usual."""
    return sum(map(_is_spelled, words)) / max(len(words), 1)


def _is_spelled(word: str) -> bool:
    letters = word.strip(_PUNCTUATION).replace("\u2019", "")
    return (
        letters.isalpha() and not _SYMBOLS & set(letters) and (letters[1:] == letters[1:].lower() or letters.isupper())
    )


def encoding_error(raw: bytes, at: int, where: str, option: str = OPTION) -> DataError:
    """Return the error for bytes that are not UTF-8; its hint names likely encodings.

    Args:
        raw: the bytes.
        at: index of the first invalid one.
        where: `file:line`.
        option: the option that states an encoding.
    """
    problem = f"not UTF-8: byte 0x{raw[at]:02X}"
    text = raw.decode("utf-8", errors="surrogateescape")
    invalid = sum("\udc80" <= character <= "\udcff" for character in text)
    if sum(character > "\x7f" for character in text) > 2 * invalid:
        return DataError(problem, where=where, hint="replace this byte: the rest of the file is UTF-8")
    likely = list(likely_encodings(raw).items())[:_SHOWN]
    if not likely:
        return DataError(problem, where=where, hint=f"save the file as UTF-8, or pass {option}")
    first = option.replace("NAME", likely[0][0])
    read = ", ".join(f"{encoding} ({words})" for encoding, words in likely)
    hint = f"pass {first}" if len(likely) == 1 else f"pass {first}, or another NAME whose words are right"
    return DataError(f"{problem}; it may be {read}", where=where, hint=hint)


def _is_utf_8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}


def _unmarked_utf_16(raw: bytes) -> str | None:
    """Return the likely kind of UTF-16 of bytes without a byte order mark, or None for other text."""
    sample = raw[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    # Spaces, delimiters and line ends are ASCII in every language: half of their bytes are zero.
    if not even + odd or max(even, odd) * 40 < len(sample) or min(even, odd) * 4 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _line(raw: bytes, at: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", raw[:at])) + 1
