"""Future perturbation: change all that comes after utterance n, and ask for the same answers up to n.

The test of Wen, Zhang and Tan ("leakage audit" of emotion forecasting, 2026), carried out twice on the components that
a run names: along the path of training (tags and features of whole dialogues, then batches) and along the path of
prediction (rows as they arrive).
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
from ecef_cli.corpus.checks.check import Check, judged
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.corpus.scan import listen
from ecef_cli.samples.inputs import load_inputs
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
"""How far probabilities may lie apart that are computed beside other windows."""

_LONGEST = 12  # utterances of a dialogue that is perturbed
_TELLING = 1e-4  # by how much answers after n must differ for the test to say anything


class WindowProbabilities(Protocol):
    """How prediction answers the windows that end at each utterance, as `prediction.stream.window_probabilities`."""

    def __call__(self, run: Run, said: Sequence[Utterance], *, device: str, together: bool) -> list[Array]:
        """Return the probabilities of each window, computed together or one by one."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A dialogue, and the same one with another end.

    Attributes:
        before: as it is.
        after: with everything after utterance `last` replaced, and a longer end.
        relabelled: as it is, with the labels and further columns of every row replaced.
        last: number of the last utterance that is not changed.
    """

    before: tuple[Utterance, ...]
    after: tuple[Utterance, ...]
    relabelled: tuple[Utterance, ...]
    last: int


def check_future(
    run: Run, prepared: Prepared, encoders: Encoders, answers: WindowProbabilities, *, device: str
) -> list[Check]:
    """Return what changing the future of a dialogue of a dataset does to a run's answers.

    Args:
        run: the run; its weights may be untrained.
        prepared: the dataset, which lends the dialogues.
        encoders: the run's, on the device; prediction loads its own, as it does for a user.
        answers: the path of prediction.
        device: where to compute.
    """
    talk = _talk(run, prepared)
    if talk is None:
        problem = "no dialogue of the dataset has three utterances"
        return [Check("nothing of the future reaches an answer", "not measured", problem)]
    with TemporaryDirectory(prefix="ecef-audit-") as folder, redirect_stderr(StringIO()):
        compute = _training_path(run, prepared, encoders, Path(folder), device)
        before, after = compute(talk.before), compute(talk.after)
        moved = _apart(before, compute(talk.relabelled), len(before))
    return [
        _compared("training: batches of windows up to n", before, after, talk.last, CLOSE),
        judged(
            "labels and further columns do not reach an answer",
            f"largest change of a probability {moved:.1e}",
            passed=moved <= CLOSE,
        ),
        *_along_prediction(run, talk, answers, device),
    ]


def _along_prediction(run: Run, talk: Talk, answers: WindowProbabilities, device: str) -> list[Check]:
    # One at a time, what comes after n cannot be asked for without having arrived.
    so_far = answers(run, talk.before[: talk.last + 1], device=device, together=False)
    alone = answers(run, talk.after, device=device, together=False)
    before, after = (answers(run, said, device=device, together=True) for said in (talk.before, talk.after))
    return [
        _compared("prediction: windows one at a time", so_far, alone, talk.last, 0.0, later=False),
        _compared("prediction: all windows at once", before, after, talk.last, CLOSE),
    ]


def _talk(run: Run, prepared: Prepared) -> Talk | None:
    """Return the longest dialogue that is not too long, of those with most recordings where audio is read."""
    found = [d.utterances[:_LONGEST] for dialogues in prepared.splits.values() for d in dialogues]
    found = [said for said in found if len(said) > 2]  # noqa: PLR2004 - something before n, n, something after
    if not found:
        return None
    heard = run.recipe.reads("audio")
    ordered = sorted(found, key=lambda said: (heard * sum(u.audio is not None for u in said), len(said)), reverse=True)
    said, others = ordered[0], [u for other in ordered[1:20] for u in other] or list(ordered[0])
    last = len(said) // 2 - 1 if len(said) > 3 else 0  # noqa: PLR2004
    labels = run.labels
    # Who speaks next is no secret where the recipe tells it: everything else changes.
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
    return Talk(said, (*said[: last + 1], *ending), relabelled, last)


def _training_path(
    run: Run, prepared: Prepared, encoders: Encoders, folder: Path, device: str
) -> Callable[[Sequence[Utterance]], list[Array]]:
    """Return what gives the probabilities of each window of a dialogue, prepared, tagged and extracted anew."""
    network = run.network(encoders).to(device)

    def compute(said: Sequence[Utterance]) -> list[Array]:
        workspace = Workspace(folder / str(len(list(folder.iterdir()))))
        corpus = Corpus(prepared.labels, {"train": (Dialogue(said[0].dialogue, tuple(said)),)}, ())
        found = listen(corpus, workspace.dataset(prepared.name))
        save_prepared(workspace, prepared.name, found.corpus, {"recordings": found.facts} if found.facts else {})
        recipe = run.recipe.model_copy(update={"dataset": prepared.name})
        inputs = load_inputs(workspace, recipe, encoders, labels=run.labels)
        with torch.inference_mode():
            logits = network(inputs.batch(inputs.samples["train"]).to(device))
        stacked = torch.cat([logits[task].softmax(dim=1) for task in sorted(logits)], dim=1)
        return list(stacked.float().cpu().numpy())

    return compute


def _apart(before: Sequence[Array], after: Sequence[Array], count: int) -> float:
    return max(float(np.abs(before[n] - after[n]).max()) for n in range(count))


def _compared(
    name: str, before: Sequence[Array], after: Sequence[Array], last: int, close: float, *, later: bool = True
) -> Check:
    """Return whether answers up to `last` are the same, and those after it, where they are asked for, are not."""
    apart = _apart(before, after, last + 1)
    bound = "bit for bit" if not close else f"at most {close:.0e} apart"
    found = f"{last + 1} answers before the change, {bound}: largest change of a probability {apart:.1e}"
    if later and apart <= close:
        shared = range(last + 1, min(len(before), len(after)))
        moved = max((float(np.abs(before[n] - after[n]).max()) for n in shared), default=0.0)
        if moved < _TELLING:
            return Check(name, "not measured", f"the answers after the change hardly differ either, by {moved:.1e}")
        found += f"; after it {moved:.1e}"
    return judged(name, found, passed=apart <= close)
