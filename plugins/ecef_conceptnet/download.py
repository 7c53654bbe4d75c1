"""Downloads the dump of ConceptNet, which is either whole or not there."""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING

from ecef_cli.api.errors import EcefError
from ecef_cli.download.download import Asked, Kind, fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecef_cli.download.download import Progress
    from ecef_cli.download.patience import Patience

OFFICIAL = "https://s3.amazonaws.com/conceptnet/downloads/2019/edges/conceptnet-assertions-5.7.0.csv.gz"
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 18  # bytes that are read at once


def fetch_dump(
    target: Path,
    address: str = OFFICIAL,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download the gzipped file at `address` to `target` and return `target`; does nothing where it is there.

    Args:
        target: the file to make.
        address: where the dump is.
        progress: is told of the bytes as they come.
        patience: how long the server is waited for.
        sleep: waits for so many seconds.

    Raises:
        EcefError: it cannot be downloaded, does not fit on the disk, or is no gzipped file.
    """
    asked = Asked(address, kind=Kind("gzipped file", _GZIP, _check_gzip))
    return fetch(target, asked, progress=progress, patience=patience, sleep=sleep)


def _check_gzip(path: Path, whole: bool = False) -> None:
    """Check that a file is gzipped, and to its end where `whole`.

    Raises:
        EcefError: it is not.
    """
    import gzip

    try:
        with path.open("rb") as raw:
            if raw.read(len(_GZIP)) != _GZIP:
                raise EcefError("is no gzipped file", where=str(path), hint="delete it and run it again")
        if whole:
            with gzip.open(path) as stream:
                while stream.read(_PIECE):
                    pass
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise EcefError("was cut off on its way", where=str(path), hint="run it again") from None
