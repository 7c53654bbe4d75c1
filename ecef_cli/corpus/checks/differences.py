"""Differences between a prepared dataset and its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecef_cli.corpus.manifest import manifest_path, manifest_texts, text_checksum
from ecef_cli.workspace import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ecef_cli.corpus.scan import Scan


def origin_differences(stated: Mapping[str, Any], origin: Mapping[str, Any]) -> Iterator[str]:
    """Yield differences in the reader, its options and the source files.

    Args:
        stated: the contents of its `dataset.json`.
        origin: the corresponding fields now.
    """
    for key, label in (("reader", "reader"), ("reader_version", "version"), ("reader_identity", "identity")):
        if stated.get(key) != origin.get(key):
            yield f"its {label} was {stated.get(key)}, not {origin.get(key)}"
    before, now = stated.get("options") or {}, origin["options"]
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            yield f"its option {key} was {before.get(key)}, not {now.get(key)}"
    before, now = (_by_file(facts.get("sources") or {}) for facts in (stated, origin))
    # A file may have moved to another folder: its name and its content decide.
    if before != now:
        gone, new = (", ".join(sorted(a.keys() - b.keys())) for a, b in ((before, now), (now, before)))
        changed = ", ".join(sorted(name for name in before.keys() & now.keys() if before[name] != now[name]))
        for label, files in (("changed", changed), ("new", new), ("missing", gone)):
            if files:
                yield f"{label} sources: {files}"


def row_differences(folder: Path, stated: Mapping[str, Any], scan: Scan) -> Iterator[str]:
    """Yield differences between the rows and recordings of a dataset and those just read.

    Args:
        folder: the dataset's folder.
        stated: the contents of its `dataset.json`.
        scan: the corpus as read, with its inspected recordings.
    """
    for split, digest in stated["manifests"].items():
        path = manifest_path(folder, split, digest)
        if path.exists() and checksum(path) != digest:
            yield f"its manifest of {split} was edited"
    now = {split: text_checksum(text) for split, text in manifest_texts(scan.corpus, folder).items()}
    before = stated.get("recordings")
    silent = len(stated.get("muted", ()))
    if silent != len(scan.muted):
        yield f"{silent} of its recordings were unusable, now {len(scan.muted)}"
    elif now != stated["manifests"]:
        if {split: text_checksum(text) for split, text in manifest_texts(scan.corpus).items()} == stated["manifests"]:
            yield "it was prepared by an earlier version, which named recordings in its folder by absolute paths"
            return
        yield "its rows or the paths of its recordings differ"
    elif before and scan.facts and before["digest"] != scan.facts["digest"]:
        yield "changed recordings"


def _by_file(sources: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for label, digest in sources.items():
        name = label.rpartition("/")[2]
        found[name] = (*found.get(name, ()), digest)
    return found
