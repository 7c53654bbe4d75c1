"""What a page says of the model: which one it is, and what it cannot do."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from ecef_cli.workspace import checksum

if TYPE_CHECKING:
    from ecef_cli.runs.run import Run


_TASKS = {"erc": "recognises the emotion of an utterance", "epc": "forecasts an emotion before it is spoken"}


@dataclass(frozen=True, slots=True)
class Identity:
    """A model, in words.

    Attributes:
        name: of its recipe, and of the run where that has another.
        summary: one sentence from its recipe.
        facts: pairs of a heading and what it says.
        limits: sentences on what its answers are not.
        card: the text of its model card; empty where it has none.
        version: of ecef.
    """

    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    card: str
    version: str


def identify(run: Run) -> Identity:
    """Return what a page says of a run."""
    recipe = run.recipe
    card = run.folder / "README.md"
    window = "the whole dialogue so far" if recipe.history is None else f"the last {recipe.history} utterances"
    facts = (
        ("what it does", "; ".join(_TASKS[task] for task in recipe.tasks)),
        *((("a forecast is about", recipe.epc.in_words()),) if "epc" in recipe.tasks else ()),
        ("emotions", ", ".join(run.labels)),
        ("reads", " and ".join(recipe.modalities)),
        ("window", f"{window}; nothing said later is read"),
        ("trained on", f"{run.dataset['name']} (manifest {run.dataset['key']}), seed {recipe.training.seed}"),
        ("weights", f"SHA-256 {checksum(run.weights)}"),
        *((f"checksum of the {key.replace('_', ' ')}", value) for key, value in run.identities.items()),
    )
    limits = (
        "Every answer is one of the emotions above, whatever was felt.",
        "Probabilities are the network's own and not calibrated: 0.9 does not mean right nine times in ten.",
        f"It learned from {run.dataset['name']} alone; on other speakers and occasions it may be wrong more often.",
        "A forecast is made before the utterance it is about is heard, and is wrong more often than a recognition.",
        "Do not judge people by it.",
    )
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    name = recipe.name if recipe.name == run.folder.name else f"{recipe.name} ({run.folder.name})"
    return Identity(name, recipe.summary, facts, limits, text, version("ecef-cli"))
