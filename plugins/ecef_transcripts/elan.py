"""Read ELAN annotation files (.eaf)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from xml.parsers import expat

from pydantic import Field

from ecef_cli.api.components import TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import head_text
from ecef_transcripts.tiers import Interval, Tier, TierOptions, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecef_cli.api.transcripts import TranscriptRow, TranscriptSource

_MILLISECONDS = 1000


class ElanOptions(TierOptions):
    """Tiers of speech, and of emotions."""

    emotion: str | None = Field(
        None, description="linguistic type of the tiers whose annotations are the emotion of the one they refer to"
    )


@dataclass(slots=True)
class _Annotation:
    line: int
    start: str | None = None
    end: str | None = None
    refers: str | None = None
    text: str = ""


@dataclass(slots=True)
class _Layer:
    name: str
    speaker: str
    kind: str
    dependent: bool
    annotations: dict[str, _Annotation] = field(default_factory=dict)


class Elan(TranscriptReader):
    """Reader of ELAN; a tier without a parent is a speaker, named by its participant."""

    Options = ElanOptions
    options: ElanOptions
    extensions = (".eaf",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file is XML with ELAN's root element."""
        del name
        return "<ANNOTATION_DOCUMENT" in head_text(head)

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per annotation with words, in the order of time.

        Raises:
            DataError: the file is not XML, or has no tier of speech.
        """
        document = _Document()
        document.parse(source)
        kind = self.options.emotion
        if kind is not None and kind not in {layer.kind for layer in document.layers}:
            kinds = ", ".join(sorted({repr(layer.kind) for layer in document.layers}))
            raise DataError(f"no tier has the type {kind!r}", where=source.name, hint=f"types: {kinds}")
        labels = {
            note.refers: note.text.strip()
            for layer in document.layers
            if layer.kind == kind
            for note in layer.annotations.values()
            if note.refers
        }
        wanted, tiers = self.options.tiers or (), []
        for layer in document.layers:
            if layer.dependent and layer.name not in wanted:
                if layer.kind != kind and layer.annotations:
                    source.leave_out(f"annotations of the dependent tier {layer.name!r}", len(layer.annotations))
                continue
            tiers.append(Tier(layer.name, layer.speaker, list(document.intervals(layer, labels, source))))
        yield from merged(tiers, self.options.tiers, source)


class _Document:
    """The tiers and time slots of an ELAN file."""

    def __init__(self) -> None:
        self.layers: list[_Layer] = []
        self._times: dict[str, float] = {}
        self._current: _Annotation | None = None
        self._text: list[str] | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data

    def parse(self, source: TranscriptSource) -> None:
        try:
            self._parser.Parse(source.raw, True)
        except expat.ExpatError as error:
            problem = f"not XML: {expat.ErrorString(error.code)}"
            raise DataError(problem, where=f"{source.name}:{error.lineno}", hint="is the file cut off?") from None

    def intervals(self, layer: _Layer, labels: Mapping[str, str], source: TranscriptSource) -> Iterator[Interval]:
        for name, note in layer.annotations.items():
            first, last = self._span(note)
            where = f"{source.name}:{note.line}"
            if first is None or last is None:
                source.leave_out("annotations without a time")
                continue
            yield Interval(first, last, note.text, where, labels.get(name))

    def _span(self, note: _Annotation) -> tuple[float | None, float | None]:
        seen = 0
        while note.refers is not None and seen < len(self.layers):
            found = next((x.annotations[note.refers] for x in self.layers if note.refers in x.annotations), None)
            if found is None:
                return None, None
            note, seen = replace(found), seen + 1
        return self._times.get(note.start or ""), self._times.get(note.end or "")

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "TIME_SLOT":
            slot, value = attributes.get("TIME_SLOT_ID", ""), attributes.get("TIME_VALUE", "")
            if value.isdecimal():  # a slot without a value lies between others
                self._times[slot] = int(value) / _MILLISECONDS
        elif element == "TIER":
            name = attributes.get("TIER_ID", "")
            kind = attributes.get("LINGUISTIC_TYPE_REF", "")
            speaker = attributes.get("PARTICIPANT") or name
            self.layers.append(_Layer(name, speaker, kind, "PARENT_REF" in attributes))
        elif element in {"ALIGNABLE_ANNOTATION", "REF_ANNOTATION"} and self.layers:
            self._current = _Annotation(
                self._parser.CurrentLineNumber,
                attributes.get("TIME_SLOT_REF1"),
                attributes.get("TIME_SLOT_REF2"),
                attributes.get("ANNOTATION_REF"),
            )
            self.layers[-1].annotations[attributes.get("ANNOTATION_ID", "")] = self._current
        elif element == "ANNOTATION_VALUE":
            self._text = []

    def _data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, element: str) -> None:
        if element == "ANNOTATION_VALUE" and self._current is not None and self._text is not None:
            self._current.text = "".join(self._text)
            self._text = None
