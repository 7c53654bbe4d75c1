"""Read annotated exports of Label Studio: JSON and JSON-MIN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow
from ecef_transcripts.json_files import first_of, objects, opening, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecef_cli.api.transcripts import TranscriptSource

_LABELS = ("choices", "paragraphlabels")
_SPEAKERS = ("speaker", "author", "name")


class LabelStudioOptions(TranscriptOptions):
    """Fields of a task, and the control that holds the emotion."""

    text: str = Field("text", description="field of a task, or of a paragraph, with the words")
    speaker: str | None = Field(None, description="field with the speaker; null: speaker, author or name")
    choice: str | None = Field(None, description="name of the control (`from_name`) with the emotion")


class LabelStudio(TranscriptReader):
    """Reader of Label Studio: a task is an utterance, or a dialogue if a field is a list of paragraphs."""

    Options = LabelStudioOptions
    options: LabelStudioOptions
    extensions = (".json",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file is an array of tasks with their annotations."""
        del name
        first, keys = opening(head)
        return first == "[" and (keys >= {"data", "annotations"} or keys >= {"annotation_id", "annotator"})

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per task or paragraph, with the label that its annotations agree on.

        Raises:
            DataError: the file is not an array of tasks.
        """
        for where, task in objects(parsed(source, self.options.encoding), "", source):
            if isinstance(task, DataError):
                yield task
                continue
            minimal = "data" not in task
            fields = task if minimal else task["data"]
            if not isinstance(fields, dict):
                yield DataError("the task has no fields", where=where)
                continue
            found = self._minimal(task) if minimal else self._results(task, source)
            paragraphs = next((v for v in fields.values() if _is_dialogue(v, self.options.text)), None)
            if paragraphs is None:
                yield self._row(fields, found.get(None, []), where)
                continue
            if None in found:
                source.leave_out("choices for whole dialogues", len(found[None]))
            for number, paragraph in enumerate(paragraphs):
                values = {"dialogue": str(fields.get("dialogue_id") or task.get("id") or where), **paragraph}
                yield self._row(values, found.get(number, []), f"{where}.paragraphs[{number}]")

    def _row(self, fields: Mapping[str, Any], labels: list[str], where: str) -> TranscriptRow | DataError:
        distinct = list(dict.fromkeys(labels))
        if len(distinct) > 1:
            said = ", ".join(map(repr, distinct))
            hint = "decide for one, or choose the control with --option choice=NAME"
            return DataError(f"several emotions: {said}", where=where, hint=hint)
        text, speaker = self.options.text, self.options.speaker
        row = {key: value for key, value in fields.items() if key not in {text, speaker, self.options.choice}}
        row["text"] = fields.get(text)
        row["speaker"] = fields.get(speaker) if speaker else first_of(dict(fields), _SPEAKERS)
        if row["text"] is None:
            hint = f"fields: {', '.join(map(repr, fields))}; pass --option text=FIELD"
            return DataError(f"no field is called {text!r}", where=where, hint=hint)
        return TranscriptRow(row | ({"emotion": distinct[0]} if distinct else {}), where)

    def _minimal(self, task: Mapping[str, Any]) -> dict[int | None, list[str]]:
        """Return the labels of a task of JSON-MIN, whose fields are the names of controls."""
        name = self.options.choice or next((key for key in ("emotion", "sentiment", "label") if key in task), "emotion")
        value = task.get(name)
        if isinstance(value, dict):
            value = value.get("choices")
        if value is None:
            return {}
        return {None: [str(item) for item in (value if isinstance(value, list) else [value])]}

    def _results(self, task: Mapping[str, Any], source: TranscriptSource) -> dict[int | None, list[str]]:
        """Return the labels by paragraph; None stands for the whole task."""
        found: dict[int | None, list[str]] = {}
        for annotation in task.get("annotations") or ():
            if annotation.get("was_cancelled"):
                source.leave_out("skipped annotations")
                continue
            for result in annotation.get("result") or ():
                value = result.get("value") or {}
                kind = result.get("type")
                if kind not in _LABELS or (self.options.choice and result.get("from_name") != self.options.choice):
                    continue
                place = value.get("start", value.get("paragraph"))
                labels = [str(label) for label in value.get(kind) or ()]
                if place is None or not str(place).isdecimal():
                    found.setdefault(None, []).extend(labels)
                    continue
                for number in range(int(place), int(value.get("end", place)) + 1):
                    found.setdefault(number, []).extend(labels)
        return found


def _is_dialogue(value: Any, text: str) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and text in item for item in value)
