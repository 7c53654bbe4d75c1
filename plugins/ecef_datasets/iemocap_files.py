"""Find and parse the files of IEMOCAP's release."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecef_cli.api.errors import DataError, did_you_mean
from ecef_datasets.repair import mend
from ecef_datasets.tables import check_readable, read_text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

EMOTIONS: Mapping[str, str] = {
    "neu": "neutral",
    "hap": "happy",
    "exc": "excited",
    "ang": "angry",
    "sad": "sad",
    "fru": "frustrated",
    "sur": "surprised",
    "fea": "fearful",
    "dis": "disgusted",
    "oth": "other",
    "xxx": "undecided",
}
"""Meaning of the release's labels; `xxx` if the annotators did not agree."""

EVALUATIONS, TRANSCRIPTIONS, RECORDINGS = "dialog/EmoEvaluation", "dialog/transcriptions", "sentences/wav"
"""Folders of the files in a session."""

DEPTH = 4
"""Number of folder levels below a source to search for the release."""

OVERLAP = "overlapping speech without an evaluation"
UNEVALUATED = "transcribed but not evaluated"
NAMELESS = "a transcription line without an utterance id"

_SESSION = re.compile(r"Session[1-5]")
_DIALOGUE = re.compile(r"Ses0(?P<session>[1-5])[FM]_(?:impro|script)\w+")
_NUMBER = r"\d+(?:\.\d+)?"
_EVALUATED = re.compile(
    rf"\[(?P<start>{_NUMBER})\s*-\s*(?P<end>{_NUMBER})\]\s+(?P<turn>\S+)\s+(?P<emotion>\S+)\s+"
    rf"\[(?P<valence>{_NUMBER}),\s*(?P<activation>{_NUMBER}),\s*(?P<dominance>{_NUMBER})\]"
)
_ANNOTATORS = ("%", "C-", "A-")  # the heading, and the labels of each annotator
_TRANSCRIBED = re.compile(r"(?P<turn>Ses\S+)\s*\[[^\]]*\]\s*:?\s*(?P<text>.*)")
_OVERLAPPING = re.compile(r"_[FM]XX\w*")


@dataclass(frozen=True, slots=True)
class Part:
    """A dialogue of the release.

    Attributes:
        id: its name, such as `Ses01F_impro01`.
        session: 1 to 5.
        folder: the folder of the session.
    """

    id: str
    session: int
    folder: Path

    @property
    def evaluation(self) -> Path:
        """The file with the times and labels of its turns."""
        return self.folder / EVALUATIONS / f"{self.id}.txt"

    @property
    def transcription(self) -> Path:
        """The file with the words."""
        return self.folder / TRANSCRIPTIONS / f"{self.id}.txt"

    def recordings(self) -> frozenset[str]:
        """Return the names of the existing recordings of its turns."""
        folder = self.folder / RECORDINGS / self.id
        return frozenset(p.name for p in folder.iterdir()) if folder.is_dir() else frozenset()

    def recording(self, turn: str) -> Path:
        """Return the path of a turn's recording."""
        return (self.folder / RECORDINGS / self.id / f"{turn}.wav").resolve()


@dataclass(frozen=True, slots=True)
class Turn:
    """The evaluation of a turn.

    Attributes:
        id: its name, such as `Ses01F_impro01_M003`.
        start: its start within the dialogue, seconds.
        end: its end within the dialogue, seconds.
        emotion: its label, as the release spells it.
        speaker: its speaker, such as `Ses01M`.
        ratings: valence, activation and dominance, from 1 to 5, averaged over the annotators.
        where: `file:line`.
    """

    id: str
    start: float
    end: float
    emotion: str
    speaker: str
    ratings: Mapping[str, float]
    where: str


@dataclass(frozen=True, slots=True)
class TranscribedLine:
    """A line of a transcription: the turn, or None if the line names none, the text, and its `file:line`."""

    turn: str | None
    text: str
    where: str

    @property
    def overlapping(self) -> bool:
        """Whether two people spoke at once."""
        return bool(self.turn and _OVERLAPPING.search(self.turn))


def find_parts(sources: Sequence[Path]) -> list[Part]:
    """Return the dialogues of all sessions under `sources`, in the order of their names.

    Raises:
        DataError: no session, or a duplicate session.
        OSError: a folder that may contain a session cannot be read.
    """
    sessions: dict[str, Path] = {}
    for source in sources:
        if not source.exists():
            raise DataError("no such file or folder", where=str(source))
        for name, folder in _sessions(source):
            first = sessions.setdefault(name, folder)
            if first.resolve() != folder.resolve():
                raise DataError(f"two folders are called {name}: {first} and {folder}", hint="pass only one of them")
    parts = []
    for folder in sessions.values():
        for path in (folder / EVALUATIONS).iterdir():  # `glob` would skip an unreadable folder
            named = _DIALOGUE.fullmatch(path.stem)
            if named and path.suffix == ".txt":  # excludes macOS metadata, `._Ses01F_impro01.txt`
                parts.append(Part(path.stem, int(named["session"]), folder))
    if not parts:
        problem = f"no Session1 to Session5 with files in {EVALUATIONS}"
        hint = "pass the unpacked folder IEMOCAP_full_release, or one above it"
        raise DataError(problem, where=", ".join(map(str, sources)), hint=hint)
    return sorted(parts, key=lambda part: part.id)


def _sessions(source: Path) -> Iterator[tuple[str, Path]]:
    waiting = deque([(source, 0)])
    while waiting:
        folder, depth = waiting.popleft()
        name = folder.name or folder.absolute().name  # `.` has no name of its own
        if _SESSION.fullmatch(name):
            if (folder / EVALUATIONS).is_dir():
                yield name, folder
        elif depth < DEPTH and folder.is_dir():
            inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
            waiting.extend((path, depth + 1) for path in inside)


def read_evaluation(part: Part) -> Iterator[Turn | DataError]:
    """Yield the turns of a dialogue in the order of the file, or errors for invalid lines."""
    for number, line in enumerate(read_text(part.evaluation).split("\n"), start=1):
        where = f"{part.evaluation}:{number}"
        if line.strip() and not line.startswith(_ANNOTATORS):
            try:
                yield _turn(part, line.strip(), where)
            except DataError as error:
                yield error


def _turn(part: Part, line: str, where: str) -> Turn:
    found = _EVALUATED.fullmatch(line)
    if not found:
        hint = "[START - END] TURN EMOTION [V, A, D]"
        raise DataError("not a turn's evaluation", where=where, hint=f"expected {hint}")
    named = re.fullmatch(rf"{re.escape(part.id)}_(?P<who>[FM])\d+", found["turn"])
    if not named:
        raise DataError(f"{found['turn']!r} is not a turn of {part.id}", where=where)
    if found["emotion"] not in EMOTIONS:
        hint = did_you_mean(found["emotion"], EMOTIONS)
        raise DataError(f"unknown emotion {found['emotion']!r}", where=where, hint=hint)
    start, end = float(found["start"]), float(found["end"])
    if end <= start:
        raise DataError(f"the turn ends at {end:g} s but starts at {start:g} s", where=where)
    ratings = {name: float(found[name]) for name in ("valence", "activation", "dominance")}
    speaker = f"Ses0{part.session}{named['who']}"
    return Turn(found["turn"], start, end, found["emotion"], speaker, ratings, where)


def read_transcription(part: Part, repaired: Counter[str]) -> Iterator[TranscribedLine | DataError]:
    """Yield the lines of a dialogue's transcription, or errors for invalid lines.

    Raises:
        DataError: the file is missing.
    """
    if not part.transcription.is_file():
        hint = f"the release has a file in {TRANSCRIPTIONS} for each in {EVALUATIONS}"
        raise DataError(f"the transcription of {part.id} is missing", where=str(part.transcription), hint=hint)
    for number, line in enumerate(read_text(part.transcription).split("\n"), start=1):
        where = f"{part.transcription}:{number}"
        if not line.strip():
            continue
        found = _TRANSCRIBED.fullmatch(line.strip())
        if not found:
            # Some lines of the release are notes such as `M: [LAUGHTER]`; one that starts like a turn is invalid.
            if line.startswith("Ses"):
                yield DataError("not a turn's text", where=where, hint="expected TURN [START-END]: TEXT")
            else:
                yield TranscribedLine(None, line.strip(), where)
            continue
        text, repairs = mend(found["text"])
        try:
            check_readable("the text", text, where)
        except DataError as error:
            yield error
        else:
            repaired.update(repairs)
            yield TranscribedLine(found["turn"], text.strip(), where)
