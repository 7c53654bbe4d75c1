"""Starting a training from the weights of another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli import output
from ecef_cli.errors import RecipeError, UsageProblem

if TYPE_CHECKING:
    from ecef_cli.network.model import EcefNetwork
    from ecef_cli.run import Run


def take_over(network: EcefNetwork, start: Run, run: Run) -> None:
    """Give a network the weights that a run has under the same names.

    Args:
        network: the network, untrained.
        start: the run that it starts from.
        run: the run that is trained.

    Raises:
        UsageProblem: the run knows other emotions, or was trained on other frozen encoders.
        RecipeError: a weight of the two has another shape, or a modality that is to stay frozen is not in the run.
    """
    if start.labels != run.labels:
        raise UsageProblem(
            f"the run {start.folder.name!r} knows the emotions {', '.join(start.labels)}, this dataset "
            f"{', '.join(run.labels)}",
            hint="start from a run of the same emotions",
        )
    for key in ("text_encoder", "audio_encoder"):
        if key in start.identities and start.identities[key] != run.identities.get(key, start.identities[key]):
            raise UsageProblem(f"the run {start.folder.name!r} was trained on another {key}")
    stored, own = start.stored(), network.state_dict()
    shared = {key: value for key, value in stored.items() if key in own}
    differing = [key for key, value in shared.items() if value.shape != own[key].shape]
    if differing:
        raise RecipeError(
            f"the network of {start.folder.name!r} has another shape, in {len(differing)} weights such as "
            f"{differing[0]}: {tuple(stored[differing[0]].shape)}, not {tuple(own[differing[0]].shape)}",
            hint="use its network settings",
        )
    for modality in run.recipe.training.freeze:
        parts = (f"{modality}.", "text_heads.") if modality == "text" else (f"{modality}.",)
        apart = [key for key in {**own, **stored} if key.startswith(parts) and key not in shared]
        if apart:
            has = "has" if apart[0] in stored else "has no"
            raise RecipeError(
                f"training.freeze: {start.folder.name!r} {has} {apart[0]}, unlike this network, so {modality} cannot "
                "stay as it is",
                hint=f"start from a run that reads {modality}, with the same tasks and settings",
            )
    network.load_state_dict(shared, strict=False)
    output.note(f"train {run.folder.name}: starts from {len(shared)} of {len(own)} weights of {start.folder.name}")
