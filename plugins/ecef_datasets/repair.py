"""Repair text that was decoded with the wrong encoding."""

from __future__ import annotations

import re
from collections import Counter

CP1252 = "Windows-1252 punctuation"
MISREAD = "UTF-8 that was read as Windows-1252"
QUESTION = "a question mark for an apostrophe"

_END_OF_C1 = 0xA0
_END_OF_LATIN_1 = 0x100
_ESCAPED = 0xDC00  # Python's surrogateescape keeps an undecodable byte b as U+DC00 + b


def _windows_1252() -> dict[int, str]:
    table = {}
    for byte in range(0x80, _END_OF_LATIN_1):
        try:
            character = bytes([byte]).decode("cp1252")
        except UnicodeDecodeError:  # five bytes are undefined in Windows-1252
            continue
        table[_ESCAPED + byte] = character
        if byte < _END_OF_C1:  # control characters from U+0080 on, absent from normal text
            table[byte] = character
    return table


_TABLE = _windows_1252()
_DAMAGED = re.compile("[\\x80-\\x9f\\udc80-\\udcff]")
# A lead byte and its continuation bytes, each decoded as Windows-1252 or Latin-1.
_TAIL = "[\\x80-\\xbf" + "".join(sorted({_TABLE[b] for b in range(0x80, _END_OF_C1) if b in _TABLE})) + "]"
_MISREAD = re.compile(f"[\\xc2-\\xdf]{_TAIL}|[\\xe0-\\xef]{_TAIL}{{2}}|[\\xf0-\\xf4]{_TAIL}{{3}}")
_CONTRACTION = re.compile(r"(?<=[A-Za-z])\?(?=(?:s|t|re|m|ll|ve|d)\b)")


def decode(raw: bytes) -> str:
    """Return UTF-8 text without its byte order mark; invalid UTF-8 stays for `mend` to repair."""
    return raw.decode("utf-8-sig", errors="surrogateescape")


def mend(text: str) -> tuple[str, Counter[str]]:
    """Return the repaired text, and 1 for each kind of damage found.

    It handles three kinds: a Windows-1252 character, such as byte 0x92 for an apostrophe, that stayed a
    byte or became a control character; UTF-8 decoded as Windows-1252 (`â€™`); and an apostrophe that
    a conversion replaced by a question mark (`I?ve`), repaired only before the ending of an English
    contraction.
    """
    repairs: Counter[str] = Counter()
    mended = _MISREAD.sub(_reread, text)
    if mended != text:
        repairs[MISREAD] = 1
    if _DAMAGED.search(mended):
        repaired = mended.translate(_TABLE)
        if repaired != mended:
            repairs[CP1252] = 1
        mended = repaired
    if "?" in mended:
        mended, count = _CONTRACTION.subn("\N{RIGHT SINGLE QUOTATION MARK}", mended)
        if count:
            repairs[QUESTION] = 1
    return mended, repairs


def looks_misread(text: str) -> bool:
    """Return whether a text certainly contains UTF-8 that was decoded as Windows-1252 (`â€™`, `Ã©`)."""
    # Two characters such as `ß“` may be a letter and a quotation mark.
    return any(len(m.group()) > 2 or m.group()[0] in "\xc2\xc3" for m in _MISREAD.finditer(text))  # noqa: PLR2004


def _reread(match: re.Match[str]) -> str:
    raw = b"".join(bytes([ord(c)]) if ord(c) < _END_OF_LATIN_1 else c.encode("cp1252") for c in match.group())
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return match.group()
