"""Where downloads, indexes and replies are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api import download

if TYPE_CHECKING:
    from pathlib import Path

DUMP_NAME = "conceptnet-assertions-5.7.0.csv.gz"


def cache_folder() -> Path:
    """Return the folder `conceptnet` of the user's cache; `ECEF_CACHE` puts it elsewhere."""
    return download.cache_folder("conceptnet")


def default_dump() -> Path:
    """Return where the official dump lies once it is downloaded."""
    return cache_folder() / DUMP_NAME
