"""Why a dataset that is prepared is not the one that its sources give now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecef_cli.corpus.manifest import manifest_path, manifest_texts, text_checksum
from ecef_cli.workspace import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ecef_cli.corpus.scan import Listening


def origin_differences(stated: Mapping[str, Any], origin: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what a dataset was made of other things: the reader, its options, the files.

    Args:
        stated: what its `dataset.json` says.
        origin: what it would say now.
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


def row_differences(folder: Path, stated: Mapping[str, Any], heard: Listening) -> Iterator[str]:
    """Yield in what the rows of a dataset or its recordings differ from those that were read.

    Args:
        folder: the dataset's folder.
        stated: what its `dataset.json` says.
        heard: what was read, once its recordings had been looked at.
    """
    for split, digest in stated["manifests"].items():
        path = manifest_path(folder, split, digest)
        if path.exists() and checksum(path) != digest:
            yield f"its manifest of {split} was changed by hand"
    now = {split: text_checksum(text) for split, text in manifest_texts(heard.corpus, folder).items()}
    before = stated.get("recordings")
    silent = len(stated.get("muted", ()))
    if silent != len(heard.muted):
        yield f"{silent} of its recordings could not be used, not {len(heard.muted)}"
    elif now != stated["manifests"]:
        if {split: text_checksum(text) for split, text in manifest_texts(heard.corpus).items()} == stated["manifests"]:
            yield "it was prepared by an earlier version, which named recordings in its folder by absolute paths"
            return
        yield "its rows were others, or its recordings lay elsewhere"
    elif before and heard.facts and before["digest"] != heard.facts["digest"]:
        yield "changed recordings"


def _by_file(sources: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for label, digest in sources.items():
        name = label.rpartition("/")[2]
        found[name] = (*found.get(name, ()), digest)
    return found
