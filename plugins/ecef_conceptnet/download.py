"""Download the dump of ConceptNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.download import download_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OFFICIAL = "https://s3.amazonaws.com/conceptnet/downloads/2019/edges/conceptnet-assertions-5.7.0.csv.gz"


def fetch_dump(target: Path, *, progress: Callable[[int, int | None], None]) -> Path:
    """Download the official dump to `target` and return `target`; check a dump that is already there.

    Raises:
        DataError: the dump has changed since its download.
        EcefError: the dump cannot be downloaded, does not fit on the disk, or is not gzipped.
    """
    return download_file(target, OFFICIAL, gzipped=True, progress=progress)
