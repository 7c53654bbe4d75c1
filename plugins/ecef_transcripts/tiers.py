"""Tiers of an annotation file, merged to one conversation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from ecef_cli.api.components import TranscriptOptions
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.transcripts import TranscriptSource

_ALIGNED = re.compile(r"(?:.*\W)?(?:phones?|phonemes?|segments?|syllables?|words?)", re.IGNORECASE)
"""Names of tiers that a forced aligner makes of the same speech."""


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class TierOptions(TranscriptOptions):
    """Tiers to read."""

    tiers: Annotated[list[str] | None, BeforeValidator(_listed)] = Field(
        None, description="names of the tiers to read, one per speaker; null: all but those of a forced aligner"
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of speech on a tier.

    Attributes:
        start: seconds.
        end: seconds.
        text: the words.
        where: its place.
        emotion: the label of a tier of emotions.
    """

    start: float
    end: float
    text: str
    where: str
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """The speech of one speaker.

    Attributes:
        name: the tier's name.
        speaker: the speaker's name.
        intervals: the stretches of speech.
    """

    name: str
    speaker: str
    intervals: Sequence[Interval]


def merged(tiers: Sequence[Tier], wanted: Sequence[str] | None, source: TranscriptSource) -> Iterator[TranscriptRow]:
    """Yield the intervals of all tiers in the order of time; silent ones are passed over.

    Args:
        tiers: the tiers of the file.
        wanted: names of the tiers to read; None for all but those of a forced aligner.
        source: the file.

    Raises:
        DataError: a tier is missing, or there is none to read.
    """
    names = ", ".join(repr(tier.name) for tier in tiers)
    for name in wanted or ():
        if name not in {tier.name for tier in tiers}:
            raise DataError(f"no tier is called {name!r}", where=source.name, hint=f"tiers: {names or 'none'}")
    if wanted is None:
        chosen = [tier for tier in tiers if not _ALIGNED.fullmatch(tier.name)]
    else:
        chosen = [tier for tier in tiers if tier.name in wanted]
    if not chosen:
        hint = f"tiers: {names}; choose with --option tiers=NAME,NAME" if tiers else "is the file incomplete?"
        raise DataError("no tier of speech", where=source.name, hint=hint)
    for tier in tiers:
        if tier not in chosen and tier.intervals:
            source.leave_out(f"intervals of the tier {tier.name!r}", len(tier.intervals))
    spoken = [(item, tier) for tier in chosen for item in tier.intervals if item.text.strip()]
    spoken.sort(key=lambda pair: (pair[0].start, pair[0].end))
    overlapping, until = 0, 0.0
    for item, tier in spoken:
        overlapping += item.start < until
        until = max(until, item.end)
        row = {"speaker": tier.speaker, "text": " ".join(item.text.split()), "start": item.start, "end": item.end}
        yield TranscriptRow(row | ({"emotion": item.emotion} if item.emotion else {}), item.where)
    if overlapping:
        source.remark(f"{overlapping:,} rows start while another is spoken; rows are in the order of their start")
