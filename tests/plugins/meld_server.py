"""A server that has MELD: two small clips a split, and tables of these."""

from __future__ import annotations

import re
from collections.abc import Callable

from meld_archive import clip, raw, table
from web_server import Handler, WebServer, status

from ecef_datasets.meld import FILES

ROWS = [(0, 0, 0.6), (0, 1, 0.6)]
TABLE = table(ROWS)
SOUND = clip(0.6)
ARCHIVE = raw({}, {split: {"dia0_utt0.mp4": SOUND, "dia0_utt1.mp4": SOUND} for split in FILES})
HALF = len(ARCHIVE) // 2
OTHER = raw({}, {split: {"dia0_utt0.mp4": clip(0.7), "dia0_utt1.mp4": SOUND} for split in FILES})


def serving(
    content: bytes = ARCHIVE, *, tag: str = '"v1"', ranges: bool = True, conditions: bool = True, cut: int | None = None
) -> Callable[[Handler], None]:
    """Serve tables, and `content` in place of the archive.

    Args:
        content: the archive.
        tag: its ETag.
        ranges: whether the server knows ranges.
        conditions: whether it heeds If-Range.
        cut: after so many bytes of the archive the connection is cut.
    """

    def answer(handler: Handler) -> None:
        if handler.path.endswith(".csv"):
            status(200, TABLE, {"ETag": '"t"'})(handler)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if wanted and ranges and (not conditions or handler.headers.get("If-Range") == tag):
            start = int(wanted[1])
            named = {"ETag": tag, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            status(206, content[start:], named)(handler)
        else:
            status(200, content[:cut], {"ETag": tag}, stated=len(content) if cut is not None else None)(handler)

    return answer


def archives(server: WebServer) -> list[str | None]:
    """Return the range of each request for the archive."""
    asked = zip(server.asked, server.headers, strict=True)
    return [headers.get("Range") for path, headers in asked if path.endswith(".gz")]


def after_tables(server: WebServer, *replies: Callable[[Handler], None]) -> None:
    """Let these replies come first of those to requests for the archive."""
    server.once.extend([serving()] * 3)
    server.once.extend(replies)
