"""A corpus, and the reader that made it, from what a dataset's folder says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ecef_cli.components import Corpus, Dropped
from ecef_cli.dialogue import group
from ecef_cli.errors import DataError
from ecef_cli.recipe import build_component
from ecef_cli.registry import get_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecef_cli.checking.rows import Rows
    from ecef_cli.components import Dataset


def restored_corpus(facts: Mapping[str, Any], rows: Rows) -> Corpus:
    """Return the corpus that the rows of the manifests and `dataset.json` describe; its sources are not known."""
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


def restored_reader(facts: Mapping[str, Any]) -> Dataset:
    """Return the reader that made a dataset, with the options that it had.

    Raises:
        DataError: `dataset.json` names none.
        PluginError: no plugin brings it, or it cannot be loaded.
        RecipeError: it no longer has one of the options.
    """
    name, stated = facts.get("reader"), facts.get("options")
    if not isinstance(name, str):
        raise DataError("dataset.json names no reader")
    known = get_registry().find("dataset", name).load().Options.model_fields
    # One that has its default may be one that may not be given beside the others.
    options = {
        key: value
        for key, value in (stated if isinstance(stated, dict) else {}).items()
        if key not in known or value != known[key].get_default(call_default_factory=True)
    }
    return cast("Dataset", build_component("dataset", name, options))
