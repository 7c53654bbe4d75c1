"""Read labels, speakers and times as people write them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

MISSING = (
    *("nan", "-nan", "none", "null", "nil", "na", "n/a", "<na>", "#n/a", "#na", "nat"),
    *("-", "--", "?", "unlabelled", "unlabeled", "missing"),
)
"""Words that stand for a missing label, in any case."""

_SYNONYMS = {
    "anger": ("angry", "mad", "ang"),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted", "dis"),
    "excitement": ("excited", "exc"),
    "fear": ("fearful", "afraid", "scared", "fea"),
    "frustration": ("frustrated", "fru"),
    "joy": ("joyful", "joyous", "happy", "happiness", "hap"),
    "neutral": ("neutrality", "no emotion", "noemotion", "none", "neu"),
    "sadness": ("sad",),
    "surprise": ("surprised", "sur"),
}
"""Usual names of the same emotion in corpora. Degrees, such as fear and terror, are different emotions."""

_CANONICAL = {word: emotion for emotion, words in _SYNONYMS.items() for word in words}
_JOINERS = "\u200c\u200d"  # visible within words of some scripts, and in emoji
_SAME_SHAPE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u043a\u043c\u0442\u043d\u0432"  # Cyrillic
    "\u03bf\u03b1\u03bd\u03c1\u03b9\u03ba\u03b5\u03c7",  # Greek
    "aeopcyxisjkmthboavpikex",
)
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")
_SIXTY = 60


def clean_name(text: str) -> str:
    """Return a name, such as a speaker or a label, without the differences that nobody sees.

    The result is in Unicode normal form NFC, has single spaces inside and none around it, and no invisible characters,
    such as a byte order mark or a direction mark.
    """
    if text.isascii():
        return " ".join(text.split())
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf" or c in _JOINERS)
    return " ".join(unicodedata.normalize("NFC", visible).split()).strip(_JOINERS)


def is_missing(label: str, words: Collection[str] = MISSING) -> bool:
    """Return whether a label is empty, or a word for a missing value.

    Args:
        label: the label.
        words: the words in lower case.
    """
    name = clean_name(label).casefold()
    return not name or name in words


def fold_label(label: str) -> str:
    """Return a key that labels of the same emotion share.

    Ignores case, spaces, hyphens, underscores and punctuation, and unites the usual synonyms, such as `happy`,
    `happiness` and `joy`.
    """
    name = unicodedata.normalize("NFKC", clean_name(label)).casefold()
    parts = {_canonical(part) for part in re.split(r"[/|,;+]", name)} - {""}
    return parts.pop() if len(parts) == 1 else _canonical(name) or name


def alike_labels(labels: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of two or more labels with the same `fold_label`."""
    return _alike(labels, fold_label)


def fold_name(name: str) -> str:
    """Return a key that speakers share whose names look alike: ignores case, punctuation, and letters of one shape."""
    plain = unicodedata.normalize("NFKD", clean_name(name)).casefold()
    letters = "".join(c for c in plain if c.isalnum() or c.isspace())
    return " ".join(letters.translate(_SAME_SHAPE).split()) or plain


def alike_names(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of two or more names with the same `fold_name`."""
    return _alike(names, fold_name)


def parse_seconds(text: str, decimal: str | None = None) -> float:
    """Return a time in seconds, from a number or `[h:]mm:ss`, with a decimal point or comma.

    Args:
        text: the time, such as `71.4`, `71,4`, `1:11.4` or `00:01:11,400`.
        decimal: `,` or `.`, the decimal mark of numbers; None to accept both, except if a comma may separate thousands.

    Raises:
        ValueError: it is not a time; the message is a phrase that follows `must be`.
    """
    text = text.strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3].replace(",", "."))
        if seconds >= _SIXTY or (clock[1] and minutes >= _SIXTY):
            raise ValueError("a time with minutes and seconds below 60")
        return hours * _SIXTY**2 + minutes * _SIXTY + seconds
    if decimal == ".":
        text = re.sub(r",(?=\d{3}(?:\D|$))", "", text)
        if "," in text:
            raise ValueError("a number with a decimal point")
    elif decimal is None and _THOUSANDS.fullmatch(text):
        raise ValueError("unambiguous: its comma may be a decimal comma or separate thousands")
    if not _NUMBER.fullmatch(text) or not math.isfinite(seconds := float(text.replace(",", "."))):
        raise ValueError("a number of seconds, or a time such as 0:01:11.4")
    return seconds


def _canonical(name: str) -> str:
    if not any(c.isalpha() for c in name):  # "-1" is not "1"
        return name
    words = " ".join("".join(c if c.isalnum() else " " for c in name).split())
    return _CANONICAL.get(words, words)


def _alike(names: Iterable[str], key: Callable[[str], str]) -> tuple[tuple[str, ...], ...]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[key(name)].append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
