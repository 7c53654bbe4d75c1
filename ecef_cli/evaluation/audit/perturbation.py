"""Future perturbation: change everything after utterance n, and require the same predictions up to n.

This is the test of Wen, Zhang and Tan ("leakage audit" of emotion forecasting, 2026). It runs twice on a run's
components: along the training path (tags and features of whole dialogues, then batches) and along the prediction path
(rows as they arrive).
"""

from __future__ import annotations

from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue
from ecef_cli.corpus.checks.check import Check, check_result
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.corpus.scan import scan_recordings
from ecef_cli.runs.decision import Decided, open_decisions
from ecef_cli.samples.inputs import load_inputs
from ecef_cli.samples.windows import windows
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from ecef_cli.api.dialogue import Utterance
    from ecef_cli.corpus.manifest import Prepared
    from ecef_cli.features.encoders import Encoders
    from ecef_cli.runs.run import Run

    Array = npt.NDArray[np.float32]

CLOSE = 1e-5
"""Maximum difference of probabilities computed in different batches."""

_LONGEST = 12  # maximum utterances of the perturbed dialogue
_SENSITIVE = 1e-4  # minimum change of predictions after n for a meaningful test


class WindowProbabilities(Protocol):
    """Type of `prediction.stream.window_probabilities`: predict the window that ends at each utterance."""

    def __call__(self, run: Run, said: Sequence[Utterance], *, device: str, together: bool) -> list[Array]:
        """Return the probabilities of each window, computed together or one by one."""


@dataclass(frozen=True, slots=True)
class Perturbed:
    """A dialogue, and the same one with another end.

    Attributes:
        before: the original.
        after: the original with everything after utterance `last` replaced, and a longer end.
        relabelled: the original with the labels and other columns of every row replaced.
        last: number of the last unchanged utterance.
    """

    before: tuple[Utterance, ...]
    after: tuple[Utterance, ...]
    relabelled: tuple[Utterance, ...]
    last: int


def check_future(
    run: Run, prepared: Prepared, encoders: Encoders, answers: WindowProbabilities, *, device: str
) -> list[Check]:
    """Check that changing the future of a dialogue does not change a run's predictions.

    Args:
        run: the run; its weights may be untrained.
        prepared: the dataset to take dialogues from.
        encoders: the run's encoders, on the device; prediction loads its own, as for a user.
        answers: the prediction function.
        device: where to compute.
    """
    dialogue = _perturbed(run, prepared)
    if dialogue is None:
        problem = "no dialogue of the dataset has three utterances"
        return [Check("no prediction depends on the future", "not measured", problem)]
    with TemporaryDirectory(prefix="ecef-audit-") as folder, redirect_stderr(StringIO()):
        compute = _training_path(run, prepared, encoders, Path(folder), device)
        before, after = compute(dialogue.before), compute(dialogue.after)
        moved = _apart(before, compute(dialogue.relabelled), len(before))
    return [
        _compared("training: batches of windows up to n", before, after, dialogue.last, CLOSE),
        check_result(
            "no prediction depends on labels and other columns",
            f"largest change of a probability {moved:.1e}",
            passed=moved <= CLOSE,
        ),
        *_prediction_path(run, dialogue, answers, device),
    ]


def _prediction_path(run: Run, dialogue: Perturbed, answers: WindowProbabilities, device: str) -> list[Check]:
    # Computed one at a time, a window cannot contain rows that have not arrived.
    so_far = answers(run, dialogue.before[: dialogue.last + 1], device=device, together=False)
    alone = answers(run, dialogue.after, device=device, together=False)
    before, after = (answers(run, said, device=device, together=True) for said in (dialogue.before, dialogue.after))
    return [
        _compared("prediction: windows one at a time", so_far, alone, dialogue.last, 0.0, later=False),
        _compared("prediction: all windows at once", before, after, dialogue.last, CLOSE),
    ]


def _perturbed(run: Run, prepared: Prepared) -> Perturbed | None:
    """Return the longest dialogue up to `_LONGEST`, with most recordings if the run reads audio."""
    found = [d.utterances[:_LONGEST] for dialogues in prepared.splits.values() for d in dialogues]
    found = [said for said in found if len(said) > 2]  # noqa: PLR2004 - an utterance before n, n, and one after
    if not found:
        return None
    heard = run.recipe.reads("audio")
    ordered = sorted(found, key=lambda said: (heard * sum(u.audio is not None for u in said), len(said)), reverse=True)
    said, others = ordered[0], [u for other in ordered[1:20] for u in other] or list(ordered[0])
    last = len(said) // 2 - 1 if len(said) > 3 else 0  # noqa: PLR2004
    labels = run.labels
    # Keep the next speaker if the recipe gives it to the model; change everything else.
    speakers = [u.speaker for u in said[last + 1 :]] if run.recipe.epc.next_speaker else ["stranger 0", "stranger 1"]
    ending = [
        replace(
            others[-1 - number % len(others)],
            dialogue=said[0].dialogue,
            utterance=f"later-{number}",
            speaker=speakers[number % len(speakers)],
            emotion=labels[number % len(labels)],
        )
        for number in range(2 * (len(said) - last - 1))
    ]
    relabelled = tuple(
        replace(
            u,
            emotion=labels[(labels.index(u.emotion) + 1) % len(labels)] if u.emotion in labels else labels[0],
            row=dict.fromkeys(u.row, "changed"),
        )
        for u in said
    )
    return Perturbed(said, (*said[: last + 1], *ending), relabelled, last)


def _training_path(
    run: Run, prepared: Prepared, encoders: Encoders, folder: Path, device: str
) -> Callable[[Sequence[Utterance]], list[Array]]:
    """Return a function that prepares, tags and extracts a dialogue, and predicts each of its windows."""
    network, decisions = run.network(encoders).to(device), open_decisions(run)

    def compute(said: Sequence[Utterance]) -> list[Array]:
        workspace = Workspace(folder / str(len(list(folder.iterdir()))))
        corpus = Corpus(prepared.labels, {"train": (Dialogue(said[0].dialogue, tuple(said)),)}, ())
        found = scan_recordings(corpus, workspace.dataset(prepared.name))
        save_prepared(workspace, prepared.name, found.corpus, {"recordings": found.facts} if found.facts else {})
        recipe = run.recipe.model_copy(update={"dataset": prepared.name})
        inputs = load_inputs(workspace, recipe, encoders, labels=run.labels)
        with torch.inference_mode():
            logits = network(inputs.batch(inputs.samples["train"]).to(device))
        answers = {task: values.softmax(dim=1).float().cpu().numpy() for task, values in logits.items()}
        texts = list(windows(inputs.prepared.splits["train"], recipe.history))
        decided = Decided.of(decisions, answers, inputs.samples["train"], texts)
        changes = [] if decided.change is None else [decided.change[:, None]]
        return list(np.concatenate([*(decided.answers[task] for task in sorted(answers)), *changes], axis=1))

    return compute


def _apart(before: Sequence[Array], after: Sequence[Array], count: int) -> float:
    return max(float(np.abs(before[n] - after[n]).max()) for n in range(count))


def _compared(
    name: str, before: Sequence[Array], after: Sequence[Array], last: int, close: float, *, later: bool = True
) -> Check:
    """Check that predictions up to `last` are the same, and later ones, if compared, are not."""
    apart = _apart(before, after, last + 1)
    bound = "bit for bit" if not close else f"at most {close:.0e} apart"
    found = f"{last + 1} predictions before the change, {bound}: largest change of a probability {apart:.1e}"
    if later and apart <= close:
        shared = range(last + 1, min(len(before), len(after)))
        moved = max((float(np.abs(before[n] - after[n]).max()) for n in shared), default=0.0)
        if moved < _SENSITIVE:
            return Check(name, "not measured", f"the predictions after the change hardly differ either, by {moved:.1e}")
        found += f"; after it {moved:.1e}"
    return check_result(name, found, passed=apart <= close)
