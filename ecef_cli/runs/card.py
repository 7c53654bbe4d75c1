"""Model card of a run: tasks, data, choice of the epoch, scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecef_cli.runs.decision import CUES
from ecef_cli.runs.decision import FILE as DECISION
from ecef_cli.runs.forecaster import FILE as FORECASTER
from ecef_cli.runs.metrics import METRICS
from ecef_cli.workspace import checksum, read_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ecef_cli.recipe.model import Block, Recipe
    from ecef_cli.runs.run import Run


def write_card(run: Run) -> None:
    """Write the run's `README.md` from the files in its folder; keep the text below the marker line.

    The last line that ecef writes is a marker. Text that a person adds below it, such as licence and intended use,
    stays when the card is written again.
    """
    path = run.folder / "README.md"
    kept = path.read_text(encoding="utf-8").partition(_MARKER)[2] if path.is_file() else "\n"
    write_text(path, _card(run) + _MARKER + kept)


_MARKER = "<!-- written by ecef; what stands below this line is yours and is kept -->"


def _card(run: Run) -> str:
    recipe = run.recipe
    parts = [
        f"# {recipe.name}",
        recipe.summary,
        "## What it does",
        "\n".join(_tasks(recipe)),
        f"Emotions: {', '.join(run.labels)}.",
        "## How it was made",
        "\n".join(
            [
                f"- Data: the train split of `{run.dataset['name']}` (manifest {run.dataset['key']}).",
                f"- Terms of the data that its weights come from: {run.terms or 'not stated'}.",
                *_modalities(run),
                f"- Window: {_window(recipe)}.",
                f"- Seed: {recipe.training.seed}. The full recipe is in `recipe.yaml`.",
            ]
        ),
        "\n".join(_decisions(run)),
        "## Protocol",
        f"The epoch was chosen on the dev split ({_selection(run)}), never on test.",
        f"EPC asks for {recipe.epc.in_words()}." if "epc" in recipe.tasks else "",
        "## Scores",
        _scores(run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n\n"


def _tasks(recipe: Recipe) -> Iterator[str]:
    follows = "the utterance that follows the window" if recipe.epc.target == "next" else recipe.epc.target_in_words
    what = {
        "erc": "recognition (ERC): the emotion of the last utterance of a window",
        "epc": f"prediction (EPC): the emotion of {follows}",
    }
    yield from (f"- {what[task]}" for task in recipe.tasks)


def _window(recipe: Recipe) -> str:
    length = "the whole dialogue so far" if recipe.history is None else f"the last {recipe.history} utterances"
    known = (
        " but the speaker of the one that EPC asks about" if recipe.epc.next_speaker and "epc" in recipe.tasks else ""
    )
    dropped = "; without utterances that have none of the emotions" if recipe.epc.others == "drop" else ""
    return f"{length}; nothing of a later utterance is read{known}{dropped}"


def _modalities(run: Run) -> Iterator[str]:
    recipe = run.recipe
    if recipe.reads("text"):
        yield f"- Text encoder: {_encoder(run, 'text_encoder')}."
        yield f"- Word relations: {_component(recipe.tagger, 'none (without KWRT)')}."
    if recipe.reads("audio"):
        yield f"- Audio encoder: {_encoder(run, 'audio_encoder')}."
        yield f"- Prosody enhancement: {_component(recipe.prosody, 'none (without PE)')}."
    layers = run.identities.get("fusion")
    if recipe.reads("audio") and (recipe.reads("text") or layers):
        frozen = f"; its frozen layers are not stored here (checksum {layers})" if layers else ""
        yield f"- Fusion: {_component(recipe.fusion, 'none')}{frozen}."
    training = recipe.training
    if training.start is not None:
        frozen = f"; its {' and '.join(training.freeze)} layers stay as they were" if training.freeze else ""
        yield f"- Started from the run `{training.start}` (weights {run.identities['start'][:16]}…){frozen}."
    taught = training.distillation
    if taught.teachers:
        sums = run.identities["teachers"].split(",")
        named = (f"`{t}` (weights {s[:16]}…)" for t, s in zip(taught.teachers, sums, strict=True))
        yield (
            f"- Distilled from {', '.join(named)}: {taught.weight:.0%} of the loss, at temperature "
            f"{taught.temperature:g}."
        )


def _decisions(run: Run) -> Iterator[str]:
    path = run.part(DECISION)
    if path.is_file():
        yield "How its answers follow from the network, chosen on the dev split unless the recipe says it:\n"
        if run.recipe.cues is not None:
            yield f"- Cues: {_component(run.recipe.cues, 'none')}, fitted on the train split, in `{CUES}`."
        if run.recipe.decision.forecaster:
            yield f"- Forecaster: fitted on the emotions recognised in the train split, in `{FORECASTER}`."
        for task, found in read_json(path).items():
            second = ("cues", found["cues"]) if task == "erc" else ("forecaster", found.get("forecaster", 0.0))
            cost = getattr(run.recipe.decision.prior_shift_cost, task)
            largest = f" (the largest that costs at most {cost:g} points on dev)" if cost else ""
            yield (
                f"- {task.upper()}: share of the {second[0]} {second[1]:.2f}, prior shift {found['prior_shift']:.2f}"
                f"{largest}, temperature {found['temperature']:.2f}"
            )


def _encoder(run: Run, key: str) -> str:
    block: Block = getattr(run.recipe, key)
    trained = block.options.get("trainable_layers", 0)
    named = block.options.get("model", block.name)
    split = f"its last {trained} layers trained, the rest frozen" if trained else "frozen"
    return f"`{named}`, {split}; what is frozen is not stored here (checksum {run.identities[key]})"


def _component(block: Block | None, none: str) -> str:
    if block is None:
        return none
    relations = block.options.get("relations")
    return f"`{block.name}`" + (f" with {', '.join(map(str, relations))}" if isinstance(relations, list) else "")


def _selection(run: Run) -> str:
    select = run.recipe.training.select
    return ", ".join(f"{task.upper()} {METRICS[getattr(select, task)]}" for task in run.recipe.tasks)


def _scores(run: Run) -> str:
    rows: list[Sequence[Any]] = []
    metrics = run.folder / "metrics.json"
    if metrics.is_file():
        best = read_json(metrics)["best"]
        alone = ", network alone" if run.recipe.decides else ""
        rows += [
            ("dev", f"{run.dataset['name']}, epoch {best['epoch']}{alone}", task.upper(), *_figures(best[task]))
            for task in run.recipe.tasks
        ]
    for path in sorted((run.folder / "evaluation").glob("*.json")):
        found = read_json(path)
        if found["weights"] != checksum(run.weights):
            continue  # scores of weights that training has replaced since
        for task, report in found["tasks"].items():
            by = f" by {found['label_map']['name']}" if "label_map" in found else ""
            where = (found["split"], f"{found['dataset']}{by}")
            rows.append((*where, task.upper(), *_figures(report["model"])))
            rows += [
                (*where, f"{task.upper()} baseline: {name}", *_figures(figures))
                for name, figures in report["baselines"].items()
            ]
    head = ("split", "data", "task", *METRICS.values())
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _figures(scores: Mapping[str, float]) -> list[str]:
    return [f"{scores[metric]:.2f}" for metric in METRICS]
