"""Checks of the recordings of a dataset."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.corpus.checks.check import Check, Problem, searched
from ecef_cli.corpus.scan import digest, segment_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.scan import File

    Files = Mapping[Path, File | DataError]

SPANS = (("dialogue_start", "dialogue_end"), ("episode_start", "episode_end"))
"""Keys of a row whose difference is how long the corpus says the utterance lasts, in seconds."""
OFF, OFF_SHARE = 0.5, 0.1
"""Seconds, and share of what the corpus says, that a recording may be off: whichever is more. Clips are cut at frames
of video, codecs fill their last block, and tables round."""

READABLE = "every recording can be read"
"""What the check is called that every recording is whole."""

_NONE = "no row has a recording"


def check_recordings(rows: Iterable[Utterance], files: Files, facts: Mapping[str, Any], stated: Path) -> list[Check]:
    """Return whether recordings can be used, are the ones that were prepared, and are as long as they should be.

    Args:
        rows: the utterances.
        files: what was found of each recording that they name.
        facts: what `dataset.json` says.
        stated: where `dataset.json` lies.
    """
    heard = [utterance for utterance in rows if utterance.audio is not None]
    return [_readable(heard, files), _unchanged(heard, files, facts, stated), _long_enough(heard, files)]


def _readable(heard: Sequence[Utterance], files: Files) -> Check:
    name = READABLE
    if not heard:
        return Check(name, "not measured", _NONE)
    wrong = ("row has a recording that cannot be used", "rows have a recording that cannot be used")
    well = f"{len(heard):,} rows, {len(files):,} {'file' if len(files) == 1 else 'files'}"
    return searched(name, _unusable(heard, files), well=well, wrong=wrong)


def _unusable(heard: Iterable[Utterance], files: Files) -> Iterator[Problem]:
    for utterance in heard:
        if utterance.audio is None:
            continue
        file = files[utterance.audio]
        try:
            if isinstance(file, DataError):
                raise file
            segment_seconds(file.recording, utterance)
        except DataError as error:
            yield Problem(f"recording {utterance.audio}: {error.problem}", utterance.where)


def _unchanged(heard: Iterable[Utterance], files: Files, facts: Mapping[str, Any], stated: Path) -> Check:
    name = "recordings are those that were prepared"
    known = facts.get("recordings")
    if not isinstance(known, dict) or "digest" not in known:
        lacking = "dataset.json keeps no checksum of them: prepare it again, and it will"
        return Check(name, "not measured", lacking if files else _NONE)
    whole = {path: file for path, file in files.items() if not isinstance(file, DataError)}
    if len(whole) < len(files):
        return Check(name, "not measured", f"{len(files) - len(whole):,} of {len(files):,} cannot be read")
    # Earlier versions knew all recordings by absolute paths, as their manifests did.
    if known["digest"] in {digest(whole, stated.parent), digest(whole)}:
        return Check(name, "passed", f"{len(files):,} {'file has' if len(files) == 1 else 'files have'} their checksum")
    younger = tuple(_younger(heard, stated))
    found = "their paths or their bytes are others"
    if not younger:
        found += ", and no file is younger than dataset.json"
    return Check(name, "failed", found, younger)


def _younger(heard: Iterable[Utterance], stated: Path) -> Iterator[Problem]:
    """Yield the recordings that were written after `dataset.json`; one checksum of them all tells no more."""
    limit = stated.stat().st_mtime_ns
    rows = {utterance.audio: utterance.where for utterance in heard}
    for path, where in rows.items():
        if path is not None and path.stat().st_mtime_ns > limit:
            yield Problem(f"recording {path}: was written after dataset.json", where)


def _long_enough(heard: Sequence[Utterance], files: Files) -> Check:
    name = "recordings last as long as the corpus says"
    shared = Counter(utterance.audio for utterance in heard)
    compared = [
        (utterance, file.recording.seconds, seconds)
        for utterance in heard
        # A recording of several utterances says nothing about one.
        if utterance.audio is not None and utterance.start is utterance.end is None and shared[utterance.audio] == 1
        if not isinstance(file := files[utterance.audio], DataError) and (seconds := _stated(utterance)) is not None
    ]
    if not compared:
        return Check(name, "not measured", "no row with a recording of its own says how long it is")
    problems = (
        Problem(f"recording {utterance.audio}: lasts {seconds:.2f} s, the corpus says {stated:.2f} s", utterance.where)
        for utterance, seconds, stated in compared
        if abs(seconds - stated) > max(OFF, OFF_SHARE * stated)
    )
    allowed = f"to {OFF:g} s or {OFF_SHARE:.0%}"
    off = f"more than {OFF:g} s and {OFF_SHARE:.0%} off what the corpus says"
    wrong = (f"recording is {off}", f"recordings are {off}")
    return searched(name, problems, well=f"{len(compared):,} do, {allowed}", wrong=wrong, status="noted")


def _stated(utterance: Utterance) -> float | None:
    """Return how long the corpus says that an utterance lasts, seconds; None where it says nothing of use."""
    for keys in SPANS:
        start, end = (utterance.row.get(key) for key in keys)
        if isinstance(start, int | float) and isinstance(end, int | float) and end > start:
            return float(end - start)
    return None
