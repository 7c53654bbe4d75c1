"""Restore a corpus and its reader from a dataset's folder."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ecef_cli.api.components import Corpus, Dropped
from ecef_cli.api.dialogue import group
from ecef_cli.api.errors import DataError, EcefError
from ecef_cli.corpus.manifest import read_facts
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import build_component
from ecef_cli.workspace import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecef_cli.api.components import Dataset
    from ecef_cli.corpus.checks.rows import Rows


def restored_corpus(facts: Mapping[str, Any], rows: Rows) -> Corpus:
    """Return the corpus described by the manifests and `dataset.json`, without its sources."""
    repaired, remarks = facts.get("repaired"), facts.get("remarks")
    return Corpus(
        tuple(facts["labels"]),
        {split: group(utterances) for split, utterances in rows.items()},
        (),
        dropped=tuple(_dropped(facts.get("dropped"))),
        repaired=repaired if isinstance(repaired, dict) else {},
        remarks=tuple(remarks) if isinstance(remarks, list) else (),
        muted=tuple(_dropped(facts.get("muted"))),
    )


def _dropped(stated: object) -> Iterator[Dropped]:
    for item in stated if isinstance(stated, list) else ():
        if isinstance(item, dict):
            emotions = item.get("emotions")
            split, name, reason, where = (str(item.get(key, "")) for key in ("split", "item", "reason", "where"))
            yield Dropped(split, name, reason, where, emotions=tuple(emotions) if isinstance(emotions, list) else ())


def command_to_repeat(folder: Path) -> str:
    """Return the command that prepares a dataset again; `dataset.json` does not contain the path of its sources.

    Args:
        folder: the dataset's folder.

    Raises:
        DataError: its `dataset.json` is missing or invalid.
    """
    facts = read_facts(folder)
    whole = Path(os.path.normpath(folder.absolute()))  # `.` has no name of its own
    default = whole.parent == Path(DEFAULT).absolute()
    command = ["ecef", *([] if default else ["--workspace", str(whole.parent)]), "prepare"]
    command += [str(facts.get("reader", "READER")), "--source", "…", "--name", whole.name]
    try:
        options = _options(facts)
    except EcefError:
        options = {}  # the reader is not installed, so its options are unknown
    for key, value in options.items():
        command += ["--option", f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"]
    return " ".join(part if part == "…" else shlex.quote(part) for part in (*command, "--force"))


def restored_reader(facts: Mapping[str, Any]) -> Dataset:
    """Return the reader that made a dataset, with the same options.

    Raises:
        DataError: `dataset.json` names no reader.
        PluginError: no plugin has it, or it cannot be loaded.
        RecipeError: it no longer has one of the options.
    """
    options = _options(facts)
    return cast("Dataset", build_component("dataset", facts["reader"], options))


def _options(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a dataset's reader that differ from the defaults."""
    name, stated = facts.get("reader"), facts.get("options")
    if not isinstance(name, str):
        raise DataError("dataset.json names no reader")
    known = get_registry().find("dataset", name).load().Options.model_fields
    # Some options may not be combined with others, not even with their defaults.
    return {
        key: value
        for key, value in (stated if isinstance(stated, dict) else {}).items()
        if key not in known or value != known[key].get_default(call_default_factory=True)
    }
