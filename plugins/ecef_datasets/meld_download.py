"""MELD from its public addresses, into the cache that all workspaces share."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ecef_cli.api.errors import EcefError
from ecef_cli.download.cache import cache_folder
from ecef_cli.download.download import Asked, fetch
from ecef_cli.download.partial import begun_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components import PrepareContext

TABLES = "https://raw.githubusercontent.com/declare-lab/MELD/master/data/MELD"
ARCHIVES = (
    "https://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz",
    "https://huggingface.co/datasets/declare-lab/MELD/resolve/main/MELD.Raw.tar.gz",
)
"""Where the archive lies; the second is asked where the first does not answer."""

TABLE_SUMS: Mapping[str, str] = {
    "train_sent_emo.csv": "d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db",
    "dev_sent_emo.csv": "2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c",
    "test_sent_emo.csv": "8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888",
}
"""SHA-256 of the official tables, of commit e8cedf2 of the corpus's repository."""
ARCHIVE_SUM = "a56b4407d574195cbce470d86f9c9d72fcfea59b0e34502ecd4babee4a5c613e"
"""SHA-256 of the archive, 10,878,146,150 bytes, as others pin it who use the second address; not checked here."""


def fetch_tables(address: str | None, names: Sequence[str], context: PrepareContext) -> list[Path]:
    """Download the tables that lie at an address; None stands for the corpus's repository.

    Raises:
        DataError: one is another file than the official one.
        EcefError: one cannot be downloaded.
    """
    official = address is None
    address = address or TABLES
    folder = _folder(address, official=official)
    return [
        _fetch(folder / name, Asked(f"{address.rstrip('/')}/{name}", TABLE_SUMS[name] if official else None), context)
        for name in names
    ]


def fetch_archive(address: str | None, sha256: str | None, context: PrepareContext) -> Path:
    """Download the archive of recordings.

    Args:
        address: where it is; None stands for the public addresses, one after the other.
        sha256: its checksum; None stands for the one that is known of the public addresses.
        context: how to report progress.

    Raises:
        DataError: it is another file than the checksum says.
        EcefError: it cannot be downloaded.
    """
    if address is not None:
        name = urlsplit(address).path.rpartition("/")[2] or "archive.tar.gz"
        return _fetch(_folder(address, official=False) / name, Asked(address, sha256), context)
    target = _folder("", official=True) / "MELD.Raw.tar.gz"
    # What one address has begun is not thrown away for the other.
    begun = begun_from(target)
    addresses = sorted(ARCHIVES, key=lambda known: known != begun)
    for position, known in enumerate(addresses, 1):
        try:
            return _fetch(target, Asked(known, sha256 or ARCHIVE_SUM), context)
        except EcefError as error:
            if position == len(addresses) or error.exit_code != EcefError.exit_code or begun_from(target):
                raise
            context.say(f"{error.problem}; asking {addresses[position]}")
    raise AssertionError


def _folder(address: str, *, official: bool) -> Path:
    """Return where files from an address are kept, so that two addresses do not pass for one."""
    folder = cache_folder("meld")
    return folder if official else folder / hashlib.sha256(address.encode()).hexdigest()[:12]


def _fetch(target: Path, asked: Asked, context: PrepareContext) -> Path:
    with context.progress(None, target.name, "bytes") as bar:
        return fetch(target, asked, progress=bar.reach)
