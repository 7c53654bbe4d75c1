"""Checks of the recordings of a dataset."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ecef_cli.api.errors import DataError
from ecef_cli.corpus.checks.check import Check, Problem, check_problems
from ecef_cli.corpus.scan import digest, segment_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.scan import File

    Files = Mapping[Path, File | DataError]

SPANS = (("dialogue_start", "dialogue_end"), ("episode_start", "episode_end"))
"""Keys of a row whose difference is the duration stated by the corpus, seconds."""
OFF, OFF_SHARE = 0.5, 0.1
"""Allowed difference between a recording and the stated duration, in seconds and as a share: whichever is more. Clips
are cut at video frames, codecs pad their last block, and tables round."""

READABLE = "every recording can be read"
"""Name of the check that reads every recording."""

_NONE = "no row has a recording"


def check_recordings(rows: Iterable[Utterance], files: Files, facts: Mapping[str, Any], stated: Path) -> list[Check]:
    """Check that recordings are usable, unchanged, and have the stated durations.

    Args:
        rows: the utterances.
        files: their inspected recordings.
        facts: the contents of `dataset.json`.
        stated: the path of `dataset.json`.
    """
    heard = [utterance for utterance in rows if utterance.audio is not None]
    return [_readable(heard, files), _unchanged(heard, files, facts, stated), _long_enough(heard, files)]


def _readable(heard: Sequence[Utterance], files: Files) -> Check:
    name = READABLE
    if not heard:
        return Check(name, "not measured", _NONE)
    wrong = ("row has an unusable recording", "rows have an unusable recording")
    well = f"{len(heard):,} rows, {len(files):,} {'file' if len(files) == 1 else 'files'}"
    return check_problems(name, _unusable(heard, files), well=well, wrong=wrong)


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
    name = "recordings are unchanged"
    known = facts.get("recordings")
    if not isinstance(known, dict) or "digest" not in known:
        lacking = "dataset.json has no checksum of them; prepare it again to add one"
        return Check(name, "not measured", lacking if files else _NONE)
    whole = {path: file for path, file in files.items() if not isinstance(file, DataError)}
    if len(whole) < len(files):
        return Check(name, "not measured", f"{len(files) - len(whole):,} of {len(files):,} cannot be read")
    # Earlier versions used absolute paths for all recordings, as in their manifests.
    if known["digest"] in {digest(whole, stated.parent), digest(whole)}:
        return Check(name, "passed", f"{len(files):,} {'file has' if len(files) == 1 else 'files have'} their checksum")
    newer = tuple(_newer(heard, stated))
    found = "their paths or bytes have changed"
    if not newer:
        found += ", but no file is newer than dataset.json"
    return Check(name, "failed", found, newer)


def _newer(heard: Iterable[Utterance], stated: Path) -> Iterator[Problem]:
    """Yield the recordings written after `dataset.json`; the common checksum cannot tell which changed."""
    limit = stated.stat().st_mtime_ns
    rows = {utterance.audio: utterance.where for utterance in heard}
    for path, where in rows.items():
        if path is not None and path.stat().st_mtime_ns > limit:
            yield Problem(f"recording {path}: written after dataset.json", where)


def _long_enough(heard: Sequence[Utterance], files: Files) -> Check:
    name = "durations match the corpus"
    shared = Counter(utterance.audio for utterance in heard)
    compared = [
        (utterance, file.recording.seconds, seconds)
        for utterance in heard
        # Skip recordings shared by several utterances.
        if utterance.audio is not None and utterance.start is utterance.end is None and shared[utterance.audio] == 1
        if not isinstance(file := files[utterance.audio], DataError) and (seconds := _stated(utterance)) is not None
    ]
    if not compared:
        return Check(name, "not measured", "no row with its own recording states a duration")
    problems = (
        Problem(
            f"recording {utterance.audio}: lasts {seconds:.2f} s, the corpus states {stated:.2f} s", utterance.where
        )
        for utterance, seconds, stated in compared
        if abs(seconds - stated) > max(OFF, OFF_SHARE * stated)
    )
    off = f"off by more than {OFF:g} s and {OFF_SHARE:.0%}"
    wrong = (f"recording is {off}", f"recordings are {off}")
    well = f"{len(compared):,} do, within {OFF:g} s or {OFF_SHARE:.0%}"
    return check_problems(name, problems, well=well, wrong=wrong, status="noted")


def _stated(utterance: Utterance) -> float | None:
    """Return the duration of an utterance stated by the corpus, seconds; None without a positive one."""
    for keys in SPANS:
        start, end = (utterance.row.get(key) for key in keys)
        if isinstance(start, int | float) and isinstance(end, int | float) and end > start:
            return float(end - start)
    return None
