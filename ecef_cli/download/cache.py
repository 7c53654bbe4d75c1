"""Folder of downloads that several workspaces share."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache, which need not exist; `ECEF_CACHE` moves the cache."""
    import platformdirs

    return Path(os.environ.get("ECEF_CACHE") or platformdirs.user_cache_dir("ecef")) / name
