"""Check the data and the choice of the epoch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.components import Corpus
from ecef_cli.corpus.checks.check import Check, check_result
from ecef_cli.corpus.summary import duplicates
from ecef_cli.features.encoding import encoded
from ecef_cli.samples.windows import windows
from ecef_cli.workspace import read_json

if TYPE_CHECKING:
    from ecef_cli.api.components import TextEncoder
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.features.store import FeatureStore
    from ecef_cli.runs.run import Run

_MANY = 0.01  # minimum share of duplicates among a split's dialogues for a failure
_COMPARED = 16  # stored windows to compute again
_ROUNDED = 5e-3  # relative to the largest state: float16 on disk, and another batch


def check_duplicates(prepared: Prepared) -> Check:
    """Check that dialogues of dev and test are not in train too."""
    name = "no dialogue is in two splits"
    corpus = Corpus(prepared.labels, prepared.splits, ())
    found = [splits for splits in duplicates(corpus) if any(len(ids) for ids in splits.values())]
    if not found:
        return Check(name, "passed", "none is")
    parts, worst = [], 0.0
    for split in ("dev", "test"):
        seen = sum(len(splits[split]) for splits in found if split in splits and "train" in splits)
        total = len(prepared.splits.get(split, ()))
        if seen:
            worst = max(worst, seen / total)
            parts.append(f"{seen:,} of {total:,} {split} dialogues have the same text as one in train")
    problem = "; ".join(parts) or f"{len(found):,} are, none of them in train"
    return Check(name, "failed" if worst > _MANY else "noted", f"{problem} (a failure above {_MANY:.0%})")


def check_selection(run: Run) -> Check:
    """Check that the kept epoch is the best on dev, and that training has used no other split."""
    name = "the epoch is chosen on dev"
    log, metrics = run.folder / "log.jsonl", run.folder / "metrics.json"
    stated = read_json(metrics) if metrics.is_file() else {}
    if "best" not in stated:
        return Check(name, "not measured", "not trained yet; training reads only train and dev")
    kept = stated["best"]
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.is_file() else [kept]
    best = max(entries, key=lambda entry: (entry["selection"], -entry["epoch"]))
    right = stated["split"] == "dev" and best["epoch"] == kept["epoch"]
    found = f"epoch {kept['epoch']} is kept, epoch {best['epoch']} of {len(entries)} is the best on {stated['split']}"
    return check_result(name, found, passed=right)


def check_stored(store: FeatureStore | None, run: Run, prepared: Prepared, encoder: TextEncoder | None) -> Check:
    """Check that stored text features match the recipe's windows."""
    name = "stored features match the recipe's windows"
    if encoder is None:
        return Check(name, "not measured", "the recipe does not read text")
    if store is None:
        return Check(name, "not measured", "no features extracted yet")
    split = next(iter(prepared.splits))
    every = list(windows(prepared.splits[split], run.recipe.history))
    chosen = np.random.default_rng(0).permutation(len(every))[:_COMPARED]
    worst = 0.0
    for number in chosen:
        [computed] = encoded(encoder, [every[number]], f"{split} window {number}")
        stored = store.read(split, int(number))
        if stored.states.shape != computed.states.shape:
            counts = f"{len(stored.states)} stored states, but {len(computed.states)} computed ones"
            problem = f"{split} window {number} has {counts}"
            return Check(name, "failed", problem)
        largest = float(np.abs(computed.states).max())
        worst = max(worst, float(np.abs(stored.states - computed.states).max()) / largest)
    found = f"{len(chosen)} windows computed again, largest difference {worst:.1e} of the largest state"
    return check_result(name, found, passed=worst <= _ROUNDED)
