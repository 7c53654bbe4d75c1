"""The bundled models, the weights that it needs, and the plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecef_cli.api.errors import EcefError, described
from ecef_cli.api.libraries import installed
from ecef_cli.doctor.libraries import requirements
from ecef_cli.doctor.rows import PREDICTION, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.plugin.manager import Entry
    from ecef_cli.runs.run import Run

_SENTENCE = "I am so happy that you are here!"


def bundled() -> Iterator[Row]:
    """Examine whether the models that come with ecef are there and can be read."""
    from ecef_cli.runs.run import BUNDLED, BUNDLED_SPEECH, bundled_run

    for check, name in (("bundled model", BUNDLED), ("bundled speech model", BUNDLED_SPEECH)):
        run = bundled_run(name)
        count = sum(tensor.numel() for tensor in run.stored().values())
        where = f"{count / 1e6:.1f} million trained parameters, {run.folder}"
        yield Row(check, "ok", f"{where}; trained on {run.terms or 'data of unstated terms'}")


def prediction() -> Iterator[Row]:
    """Examine the main job: the bundled model predicts on a row of text with weights from this machine alone."""
    from ecef_cli.runs.run import bundled_run

    run = bundled_run()
    try:
        from ecef_cli.api.dialogue import Utterance
        from ecef_cli.network.devices import resolve_device
        from ecef_cli.prediction.predictor import Predictor

        device = resolve_device("auto")
        (answer,) = Predictor(run, device=device).predict([(Utterance(_SENTENCE, "A", "doctor", 1),)])
    except Exception:
        yield from _weights(run, load=True)  # are they the reason?
        raise
    yield from _weights(run)
    emotion = answer.as_dict()["prediction"]["emotion"]
    yield Row(PREDICTION, "ok", f"works on {device}: {_SENTENCE!r} feels {emotion}")


def _weights(run: Run, *, load: bool = False) -> Iterator[Row]:
    """Examine whether the text encoder of a run loads; `load` is false if it is known that it does."""
    block = run.recipe.text_encoder
    name = "the text encoder" if block is None else block.options.get("model", block.name)
    packages = [f"{package} {release}" for package in requirements("offline") if (release := installed(package))]
    try:
        if load:
            run.recipe.component("text_encoder")
    except EcefError as error:
        yield Row("offline weights", "bad", error.problem, error.hint or "")
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        yield Row("offline weights", "bad", described(error))
    else:
        from_package = f" ({', '.join(packages)})" if packages else ""
        yield Row("offline weights", "ok", f"{name} loads without a network{from_package}")


def plugins() -> Iterator[Row]:
    """Examine the plugins of each distribution, and import their components."""
    from ecef_cli.plugin.manager import Registry, discover

    registry = Registry(discover())
    for broken in registry.broken:
        cure = f"pip install --force-reinstall {broken.distribution}"
        yield Row(f"plugin {broken.plugin}", "bad", f"of {broken.distribution}: {broken.reason}", cure)
    by_origin: dict[tuple[str, str], list[Entry]] = {}
    for entry in registry.entries():
        by_origin.setdefault((entry.distribution, entry.version), []).append(entry)
    for (distribution, version), entries in by_origin.items():
        faults = [fault for entry in entries if (fault := _fault(entry))]
        for fault in faults:
            yield Row(f"plugins of {distribution}", "bad", fault.problem, fault.hint or "")
        if not faults:
            yield Row(f"plugins of {distribution}", "ok", f"{version}, {len(entries)} components")


def _fault(entry: Entry) -> EcefError | None:
    try:
        entry.load()
    except EcefError as error:
        return error
    return None
