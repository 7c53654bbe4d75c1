"""Download MELD from its public addresses into the cache that all workspaces share."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ecef_cli.api.download import cache_folder, download_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components import PrepareContext

TABLES = "https://raw.githubusercontent.com/declare-lab/MELD/master/data/MELD"
ARCHIVES = (
    "https://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz",
    "https://huggingface.co/datasets/declare-lab/MELD/resolve/main/MELD.Raw.tar.gz",
)
"""Addresses of the archive; the second is used if the first does not answer."""

TABLE_SUMS: Mapping[str, str] = {
    "train_sent_emo.csv": "d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db",
    "dev_sent_emo.csv": "2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c",
    "test_sent_emo.csv": "8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888",
}
"""SHA-256 of the official tables, of commit e8cedf2 of the corpus's repository."""
ARCHIVE_SUM = "a56b4407d574195cbce470d86f9c9d72fcfea59b0e34502ecd4babee4a5c613e"
"""SHA-256 of the archive, 10,878,146,150 bytes, as other projects pin it for the second address; not verified here."""


def fetch_tables(address: str | None, names: Sequence[str], context: PrepareContext) -> list[Path]:
    """Download the tables at an address, or if it is None, from the corpus's repository.

    Raises:
        DataError: a table is not the official one.
        EcefError: a table cannot be downloaded.
    """
    sums = TABLE_SUMS if address is None else {}
    folder, address = _folder(address), (address or TABLES).rstrip("/")
    return [_fetch(folder / name, [f"{address}/{name}"], sums.get(name), context) for name in names]


def fetch_archive(address: str | None, sha256: str | None, context: PrepareContext) -> Path:
    """Download the archive of recordings.

    Args:
        address: its address; None for the public addresses, one after the other.
        sha256: its checksum; None for the known one of the public addresses.
        context: how to report progress.

    Raises:
        DataError: the archive does not have the checksum.
        EcefError: it cannot be downloaded.
    """
    if address is None:
        return _fetch(_folder(None) / "MELD.Raw.tar.gz", ARCHIVES, sha256 or ARCHIVE_SUM, context)
    name = urlsplit(address).path.rpartition("/")[2] or "archive.tar.gz"
    return _fetch(_folder(address) / name, [address], sha256, context)


def _folder(address: str | None) -> Path:
    """Return the cache folder of an address; files of two addresses must not be confused."""
    folder = cache_folder("meld")
    return folder if address is None else folder / hashlib.sha256(address.encode()).hexdigest()[:12]


def _fetch(target: Path, addresses: Sequence[str], sha256: str | None, context: PrepareContext) -> Path:
    with context.progress(None, target.name, "bytes") as bar:
        return download_file(target, addresses, sha256=sha256, progress=bar.reach, say=context.say)
