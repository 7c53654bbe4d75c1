"""Names of emoji: lexicons and the vocabularies of many text encoders lack the emoji themselves."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# Every emoji has one of these; not \u00a9, \u2122 or digits in boxes, which are read as they are.
_CANDIDATE = re.compile("[\u2194-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")
_FIRST = "\u2190"  # symbols before it are punctuation, such as the double exclamation mark
_MARK = "\ue000"  # private use: around a name
_REPEATED = re.compile(f"({_MARK}[^{_MARK}]+{_MARK})(?:\\s*\\1)+")
_TONE = re.compile("[ _](?:medium[-_])?(?:light|dark|medium)_skin_tone")


def name_emoji(text: str) -> str:
    """Return a text with the English name in place of each emoji, once for a run of the same; others unchanged."""
    return text if text.isascii() or not _CANDIDATE.search(text) else _named(text)


@lru_cache(maxsize=1024)  # the windows of a dialogue hold the same utterances again and again
def _named(text: str) -> str:
    import emoji

    def name(characters: str, facts: dict[str, Any]) -> str:
        if characters < _FIRST:
            return characters
        return f"{_MARK}{_TONE.sub('', facts['en']).strip(':').replace('_', ' ')}{_MARK}"

    found = emoji.replace_emoji(text.replace(_MARK, ""), name)
    if _MARK not in found:
        return text
    return re.sub(f" *{_MARK}+ *", " ", _REPEATED.sub(r"\1", found)).strip()


def is_emoji(text: str) -> bool:
    """Return whether a text is emoji and punctuation alone, without another word."""
    import emoji

    rest = emoji.replace_emoji(text)
    return rest != text and not any(character.isalnum() for character in rest)


def emoji_rules(texts: Iterable[str]) -> dict[str, str]:
    """Return the version of the names, for a content key, if any of the texts has an emoji; else nothing."""
    if all(name_emoji(text) == text for text in texts):
        return {}
    import emoji

    return {"emoji": f"1 {emoji.__version__}"}
