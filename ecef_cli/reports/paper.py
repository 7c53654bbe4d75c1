"""Tables 1 to 3 of the paper, and differences of a recipe from it.

The figures are from Shi, Liang, Yu, "Emotional Cues Extraction and Fusion for Multi-modal Emotion
Prediction and Recognition in Conversation", Interspeech 2024, pages 4074-4078.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.evaluation.results import Report
    from ecef_cli.recipe.model import Block, Recipe

DATASETS = {"iemocap": "IEMOCAP", "meld": "MELD"}
"""The paper's datasets, by their names in ecef."""

OURS = "the paper"


@dataclass(frozen=True, slots=True)
class Published:
    """A row of one of the paper's tables, on one dataset.

    Attributes:
        modality: `T`, `S` or `T+S`.
        method: the method and year; in Table 3, the part left out.
        figures: per cent, in the order of the table's metrics; None if the paper gives none.
    """

    modality: str
    method: str
    figures: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        title: its title.
        task: the task.
        metrics: keys of its metrics.
        rows: its rows by dataset.
    """

    title: str
    task: str
    metrics: tuple[str, ...]
    rows: dict[str, tuple[Published, ...]]


_Pair = tuple[float | None, float | None]


def _rows(*lines: tuple[str, str, _Pair, _Pair]) -> dict[str, tuple[Published, ...]]:
    """Return rows by dataset from lines as the paper prints them: modality, method, IEMOCAP, MELD."""
    return {
        "iemocap": tuple(Published(letters, method, figures) for letters, method, figures, _ in lines),
        "meld": tuple(Published(letters, method, figures) for letters, method, _, figures in lines),
    }


DEP, EAMT = "DEP (2020)", "EAMT (2023)"
MM_DFN, SCFA, DF_ERC = "MM-DFN (2022)", "SCFA (2023)", "DF-ERC (2023)"

TABLES = {
    "table1": PaperTable(
        "Table 1: prediction (EPC)",
        "epc",
        ("uar", "macro_f1"),
        _rows(
            ("T", DEP, (74.96, 74.54), (42.19, 42.67)),
            ("T", EAMT, (77.30, 76.67), (45.44, 45.13)),
            ("T", OURS, (78.53, 78.06), (46.97, 46.23)),
            ("S", DEP, (61.98, 60.21), (26.96, 25.13)),
            ("S", EAMT, (65.01, 65.91), (28.67, 25.97)),
            ("S", OURS, (66.21, 66.32), (29.12, 27.85)),
            ("T+S", DEP, (76.31, 75.50), (42.39, 42.51)),
            ("T+S", EAMT, (80.18, 80.01), (45.21, 44.36)),
            ("T+S", OURS, (81.92, 81.53), (46.10, 45.73)),
        ),
    ),
    "table2": PaperTable(
        "Table 2: recognition (ERC)",
        "erc",
        ("accuracy", "weighted_f1"),
        _rows(
            ("T", SCFA, (63.82, 62.89), (59.32, 57.76)),
            ("T", DF_ERC, (65.13, 65.46), (65.17, 64.54)),
            ("T", OURS, (64.83, 64.32), (63.82, 63.01)),
            ("S", SCFA, (49.24, 48.66), (47.37, 44.18)),
            ("S", DF_ERC, (41.47, 38.62), (43.83, 41.72)),
            ("S", OURS, (47.84, 47.06), (45.97, 42.94)),
            ("T+S", MM_DFN, (None, 65.41), (None, 58.34)),
            ("T+S", SCFA, (67.91, 66.42), (64.86, 63.69)),
            ("T+S", OURS, (67.79, 66.62), (64.36, 63.73)),
        ),
    ),
    "table3": PaperTable(
        "Table 3: effect of leaving out a part on prediction (EPC)",
        "epc",
        ("uar", "macro_f1"),
        _rows(
            ("T+S", "w/o KWRT", (-0.93, -0.89), (-1.12, -1.10)),
            ("T+S", "w/o PE", (-0.75, -0.72), (-0.71, -0.69)),
            ("T+S", "w/o TMF", (-0.88, -0.84), (-0.83, -0.81)),
        ),
    ),
}

# ------------------------------------------------------------------------------------------ our runs beside it


def modality(recipe: Recipe) -> str:
    """Return the paper's name of the modalities: `T`, `S` or `T+S`."""
    return "+".join(letter for letter, key in (("T", "text"), ("S", "audio")) if key in recipe.modalities)


def left_out(recipe: Recipe) -> str:
    """Return the paper's parts that a recipe leaves out, as named in Table 3; empty if none."""
    parts = []
    if recipe.reads("text") and recipe.tagger is None:
        parts.append("KWRT")
    if recipe.reads("audio") and recipe.prosody is None:
        parts.append("PE")
    if recipe.reads("audio") and not _second_step(recipe):
        parts.append("TMF")
    return f"w/o {', '.join(parts)}" if parts else ""


def corpus(report: Report) -> str | None:
    """Return the key of the paper's dataset for a report, also if it is a prefix of the report's dataset; else None."""
    return next((key for key in DATASETS if report.dataset == key or report.dataset.startswith(f"{key}-")), None)


def departures(report: Report) -> tuple[str, ...]:
    """Return a run's differences from the paper, from its recipe.

    Includes our choices if the paper does not state its own, such as the EPC protocol and the choice of the epoch.
    """
    return tuple(_departures(report))


def _departures(report: Report) -> Iterator[str]:
    recipe = report.recipe
    if report.dataset not in DATASETS:
        yield f"corpus {report.dataset}"
    if recipe.reads("text"):
        yield from _encoder("text encoder", recipe.text_encoder, "roberta")
    if recipe.reads("audio"):
        yield from _encoder("audio encoder", recipe.audio_encoder, "wavlm")
    if missing := left_out(recipe):
        yield missing
    if recipe.reads("text") and recipe.tagger is not None and recipe.tagger.options.get("source") == "lexicon":
        yield "word relations of the embedded lexicon, not of ConceptNet"
    network, training = recipe.network, recipe.training
    for words, found, paper in (
        ("width", network.width, 1024),
        ("heads", network.heads, 8),
        ("layers", network.layers, 2),
        ("optimizer", training.optimizer, "adam"),
        ("learning rate", training.learning_rate, 1e-4),
        ("batch", training.batch_size, 32),
    ):
        if found != paper:
            yield f"{words} {found:g}, not {paper:g}" if isinstance(found, int | float) else f"{words} {found}"
    if len(recipe.tasks) > 1:
        yield "both tasks trained together"
    yield f"{len(report.seeds)} seed{'s' if len(report.seeds) > 1 else ''}"
    yield f"history {recipe.dumped()['history']}"
    if report.protocol is not None:
        yield f"EPC asks for {report.protocol.replace('; ', ', ')}"
    yield "epoch chosen on dev"


def _encoder(words: str, block: Block | None, paper: str) -> Iterator[str]:
    if block is None:
        return
    model = str(block.options.get("model", block.name))
    if paper not in model.lower():
        yield f"{words} {model.rpartition('/')[2]}"
    if trained := block.options.get("trainable_layers", 0):
        yield f"its last {trained} layers trained"


def _second_step(recipe: Recipe) -> bool:
    return recipe.fusion is not None and recipe.fusion.options.get("second_step") not in {None, "none"}
