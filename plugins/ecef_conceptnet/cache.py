"""Folder of downloads, indexes and cached replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api import download

if TYPE_CHECKING:
    from pathlib import Path

DUMP_NAME = "conceptnet-assertions-5.7.0.csv.gz"


def cache_folder() -> Path:
    """Return the folder `conceptnet` of the user's cache; `ECEF_CACHE` moves the cache."""
    return download.cache_folder("conceptnet")


def default_dump() -> Path:
    """Return the path of the official dump after its download."""
    return cache_folder() / DUMP_NAME
