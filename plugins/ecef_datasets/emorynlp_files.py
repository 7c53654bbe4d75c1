"""Parse EmoryNLP's files: JSON by season, episode and scene, and CSV with one utterance per row."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_datasets.tables import check_filled, check_surplus, read_text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COLUMNS = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")

_IDENTITY = re.compile(r"s(?P<season>\d+)_e(?P<episode>\d+)_c(?P<scene>\d+)_u(?P<utterance>\d+)")
_NAMED = re.compile(r'"(?:utterance_id|scene_id)"\s*:\s*"([^"\\]*)"')


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance of a file.

    Attributes:
        season: the number of the season.
        episode: the number of the episode in it.
        scene: the number of the scene in it.
        utterance: the number of the utterance in it.
        speakers: its speakers; several speak in chorus.
        text: the words.
        emotion: the label, as the file spells it.
        where: `file:line`.
    """

    season: int
    episode: int
    scene: int
    utterance: int
    speakers: tuple[str, ...]
    text: str
    emotion: str
    where: str

    @property
    def dialogue(self) -> str:
        """The scene's name, as the JSON files spell it."""
        return f"s{self.season:02}_e{self.episode:02}_c{self.scene:02}"


def of_json(path: Path) -> Iterator[Line | DataError]:
    """Yield the utterances of a JSON file in its order, or errors for invalid ones.

    Raises:
        DataError: the file is not JSON, or contains no scene.
    """
    text = read_text(path)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error.msg}", where=f"{path}:{error.lineno}") from None
    lines = _lines(text)
    scenes = list(_scenes(data))
    if not scenes:
        raise DataError("contains no scene", where=str(path), hint="expected seasons, episodes, scenes, utterances")
    for scene in scenes:
        near = _line(lines, scene.get("scene_id"))
        for utterance in scene.get("utterances") or ():
            number = _line(lines, utterance.get("utterance_id")) if isinstance(utterance, dict) else None
            try:
                yield _of_object(utterance, f"{path}:{number or near or 1}")
            except DataError as error:
                yield error


def of_row(row: Mapping[str, str], where: str) -> Line:
    """Return the utterance of a row of a CSV file, which writes speakers as a Python list.

    Raises:
        DataError: a value is missing or wrong.
    """
    check_surplus(row, where)
    check_filled(row, [column for column in COLUMNS if column != "Utterance"], where)
    season, episode, scene, utterance = (
        whole(row, c, where) for c in ("Season", "Episode", "Scene_ID", "Utterance_ID")
    )
    speakers = _speakers(row["Speaker"].strip(), where)
    return Line(season, episode, scene, utterance, speakers, row["Utterance"], row["Emotion"], where)


def _speakers(text: str, where: str) -> tuple[str, ...]:
    if not text.startswith("["):
        return (text,)
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"Speaker must be a list such as ['Joey Tribbiani'], not {text!r}", where=where)
    return tuple(names)


def _scenes(data: object) -> Iterator[dict[str, Any]]:
    if isinstance(data, list):
        for part in data:
            yield from _scenes(part)
    elif isinstance(data, dict):
        for key in ("seasons", "episodes"):
            yield from _scenes(data.get(key))
        yield from (scene for scene in data.get("scenes") or () if isinstance(scene, dict))


def _lines(text: str) -> dict[str, deque[int]]:
    """Return the line numbers of scene and utterance names, which a JSON parser does not report."""
    lines: defaultdict[str, deque[int]] = defaultdict(deque)
    line, seen = 1, 0
    for match in _NAMED.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        lines[match[1]].append(line)
    return lines


def _line(lines: Mapping[str, deque[int]], name: object) -> int | None:
    known = lines.get(name) if isinstance(name, str) else None
    return known.popleft() if known else None


def _of_object(utterance: object, where: str) -> Line:
    if not isinstance(utterance, dict):
        raise DataError("the utterance is not a JSON object", where=where)
    for key, kind, name in (
        ("utterance_id", str, "a string"),
        ("speakers", list, "a list of names"),
        ("transcript", str, "a string"),
        ("emotion", str, "a string"),
    ):
        if key not in utterance:
            raise DataError(f"the utterance has no {key!r}", where=where)
        if not isinstance(utterance[key], kind):
            raise DataError(f"{key!r} must be {name}, not {json.dumps(utterance[key])}", where=where)
    found = _IDENTITY.fullmatch(utterance["utterance_id"])
    if not found:
        problem = f"'utterance_id' must look like s01_e02_c03_u004, not {utterance['utterance_id']!r}"
        raise DataError(problem, where=where)
    season, episode, scene, number = (int(found[name]) for name in ("season", "episode", "scene", "utterance"))
    speakers = tuple(str(name) for name in utterance["speakers"])
    return Line(season, episode, scene, number, speakers, utterance["transcript"], utterance["emotion"], where)
