"""Describe a model and its limits for a report."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from ecef_cli.workspace import checksum

if TYPE_CHECKING:
    from ecef_cli.runs.run import Run


_TASKS = {"erc": "recognises the emotion of an utterance", "epc": "forecasts the emotion of a later utterance"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Description of a model.

    Attributes:
        name: name of its recipe, and of the run if that differs.
        summary: one sentence from its recipe.
        facts: pairs of heading and text.
        limits: sentences about the limits of its predictions.
        card: text of its model card; empty without one.
        version: version of ecef.
    """

    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    card: str
    version: str


def identify(run: Run) -> Identity:
    """Return the description of a run."""
    recipe = run.recipe
    card = run.folder / "README.md"
    window = "the whole dialogue so far" if recipe.history is None else f"the last {recipe.history} utterances"
    facts = (
        ("tasks", "; ".join(_TASKS[task] for task in recipe.tasks)),
        *((("forecast of", recipe.epc.in_words()),) if "epc" in recipe.tasks else ()),
        ("emotions", ", ".join(run.labels)),
        ("reads", " and ".join(recipe.modalities)),
        ("window", f"{window}; never a later one"),
        ("trained on", f"{run.dataset['name']} (manifest {run.dataset['key']}), seed {recipe.training.seed}"),
        ("weights", f"SHA-256 {checksum(run.weights)}"),
        *((f"checksum of the {key.replace('_', ' ')}", value) for key, value in run.identities.items()),
    )
    limits = (
        "Every prediction is one of these emotions, whatever the speaker felt.",
        "Probabilities are not calibrated: 0.9 does not mean correct nine times in ten.",
        f"It was trained only on {run.dataset['name']}; with other speakers and situations it may be wrong more often.",
        "A forecast is made before its utterance is known, and is wrong more often than a recognition.",
        "Do not use it to judge people.",
    )
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    name = recipe.name if recipe.name == run.folder.name else f"{recipe.name} ({run.folder.name})"
    return Identity(name, recipe.summary, facts, limits, text, version("ecef-cli"))
