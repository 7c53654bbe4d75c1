"""Notes on utterances that a model cannot read, or reads only in part."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from ecef_cli.api.dialogue import words
from ecef_cli.api.emojis import is_emoji

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ecef_cli.api.dialogue import Utterance

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_TOKEN = 100  # characters that a token covers at most, by far
_FEWEST = 4  # words by which a language can be told
_KNOWN = 0.67  # share of words known in the model's language from which a text counts as written in it
_SURE = 0.5  # probability of another language; with _KNOWN, 2 of MELD's 13,708 utterances count as foreign
_LIKELY = 0.05  # probability of the model's language from which a text may be written in it
_SAMPLE = 2_000  # characters to tell the language by
_LETTERS = 2  # letters by which a script can be told
_OTHER_SCRIPTS = (
    "am ar as be bg bn bo dv dz el fa gu he hi hy ja ka kk km kn ko ku ky lo mk ml mn mr my ne or pa ps ru sa sd si sr"
    " ta te tg th ti ug uk ur yi zh"
)
"""Codes of languages that are not, or not only, written in Latin letters."""
_SHOWN = 60  # characters of a text in a note


@dataclass(frozen=True, slots=True)
class Note:
    """A note on an utterance.

    Attributes:
        kind: text to count such notes under, after a number of rows.
        text: the note.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Reader:
    """The limits of a model as a reader.

    Attributes:
        language: code of the language of its training data; None if unknown.
        longest: maximum tokens of its text encoder; None if it does not read text.
        hears: whether it reads recordings.
    """

    language: str | None
    longest: int | None
    hears: bool

    def shortened(self, utterance: Utterance) -> Utterance:
        """Return an utterance without the words before the last ones that the text encoder can read.

        A word takes at least one token. Tags are of pairs of words, so time and memory grow with the square of their
        number.
        """
        if self.longest is None or len(utterance.text) <= self.longest:
            return utterance
        text = utterance.text[-_TOKEN * self.longest :]
        found = words.__wrapped__(text)
        first = found[-self.longest].start if len(found) > self.longest else 0
        return utterance if text[first:] == utterance.text else replace(utterance, text=text[first:])

    def notes(self, window: Sequence[Utterance], whole: str, unread: int) -> tuple[Note, ...]:
        """Return the notes on the last utterance of a window.

        Args:
            window: the window, as the model read it.
            whole: the text of its last utterance before `shortened`.
            unread: words at the start of that utterance that the text encoder left out.
        """
        if self.longest is None:
            return ()
        said = window[-1]
        if not said.text.strip():
            return self._empty(window)
        found = []
        if lost := unread + (_count(whole) - len(words(said.text)) if whole != said.text else 0):
            total = _count(whole) if whole != said.text else len(words(said.spoken))
            text = f"longer than the model reads: only the last {total - lost:,} of {total:,} words are read"
            found.append(Note("longer than the model reads", text))
        if said.spoken != said.text and is_emoji(said.text):
            text = said.spoken if len(said.spoken) <= _SHOWN else f"{said.spoken[:_SHOWN]}…"
            found.append(Note("with emoji alone", f"emoji alone, read as {text!r}"))
        elif foreign := _foreign(said.text[:_SAMPLE], self.language):
            kind = f"in another language or script than the model's ({self.language})"
            found.append(Note(kind, f"{foreign}, but the model was trained on {self.language!r}"))
        return tuple(found)

    def _empty(self, window: Sequence[Utterance]) -> tuple[Note, ...]:
        if self.hears and window[-1].audio is not None:
            return ()
        if any(said.text.strip() or (self.hears and said.audio is not None) for said in window[:-1]):
            return (Note("without text", "no text: predicted from the context alone"),)
        return (Note("without text", "no text and no context: the prediction is the model's prior"),)


class NoteCount:
    """Counts notes, to report them once."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._rows = 0

    def add(self, notes: Iterable[Note]) -> None:
        """Count the notes of a row."""
        kinds = {note.kind for note in notes}
        self._kinds.update(kinds)
        self._rows += bool(kinds)

    def report(self) -> None:
        """Say on stderr how many rows have notes, by kind, if any has."""
        from ecef_cli import console

        if self._rows:
            which = "1 row has a note" if self._rows == 1 else f"{self._rows:,} rows have a note"
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in self._kinds.most_common())
            console.note(f"{which}, see 'note' in the output: {kinds}")


def _count(text: str) -> int:
    return len(words.__wrapped__(text))


@lru_cache(maxsize=1024)
def _foreign(text: str, language: str | None) -> str | None:
    """Return the other script or language of a text, or None if it can be the model's or is too short to tell."""
    if language is None:
        return None
    if language not in _OTHER_SCRIPTS and (script := _other_script(text)):
        return f"the script is {script}"
    found = _WORD.findall(text)
    if len(found) < _FEWEST or sum(_is_known(word, language) for word in found) >= _KNOWN * len(found):
        return None
    ranked = _IDENTIFIER.rank(text.lower() if text.isupper() else text)
    code, probability = ranked[0]
    if code != language and probability >= _SURE and dict(ranked).get(language, 0.0) < _LIKELY:
        return f"the language seems to be {code!r}"
    return None


def _other_script(text: str) -> str | None:
    if text.isascii():
        return None
    names = [unicodedata.name(character, "") for character in text if character.isalpha()]
    others = Counter(name.partition(" ")[0].capitalize() for name in names if name and "LATIN" not in name)
    return others.most_common(1)[0][0] if others.total() >= max(_LETTERS, len(names) / 2) else None


@lru_cache(maxsize=1 << 14)
def _is_known(word: str, language: str) -> bool:
    import simplemma

    stem = re.split("['\u2019]", word)[0]  # dictionaries lack what's and brother's
    try:
        return simplemma.is_known(word, lang=language) or (len(stem) > 1 and simplemma.is_known(stem, lang=language))
    except ValueError:  # it has no dictionary of this language
        return False


class _Identifier:
    """Language identifier, loaded when a text looks foreign."""

    def rank(self, text: str) -> list[tuple[str, float]]:
        """Return the languages of a text with their probabilities, the likeliest first."""
        return [(str(code), float(probability)) for code, probability in self._model.rank(text)]

    @cached_property
    def _model(self) -> Any:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


_IDENTIFIER = _Identifier()
