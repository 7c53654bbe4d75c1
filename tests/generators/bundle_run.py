"""Make a trained run a model that comes with ecef: `python tests/generators/bundle_run.py RUN_FOLDER`.

A run that reads text becomes `bundled`. A run that reads recordings too becomes `bundled-speech`; it must have started
from `bundled` with frozen text layers, and of its weights only those are stored that `bundled` lacks. Bundle the text
model first, and train the speech model again after that (`ecef train meld-speech-mini`).

The weights are stored as float16, which halves them; everything that is needed to predict goes along, and what only
training needs stays behind. Measure the bundled model, not the run: `ecef eval ecef_cli/bundled`. The text below the
marker of the card is kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ecef_cli.runs.card import write_card
from ecef_cli.runs.decision import PARTS
from ecef_cli.runs.run import BUNDLED, BUNDLED_SPEECH, open_run
from ecef_cli.workspace import checksum, write_json

PACKAGE = Path(__file__).parents[2] / "ecef_cli"
COPIED = ("recipe.yaml", "metrics.json", "environment.json", "log.jsonl")


def bundle(folder: Path, package: Path = PACKAGE) -> Path:
    """Copy a run into a package folder, and return its new folder."""
    run = open_run(folder)
    speech, text = run.recipe.reads("audio"), package / BUNDLED
    target = package / BUNDLED_SPEECH if speech else text
    weights = {key: value.to(torch.float16) for key, value in load_file(run.weights).items()}
    facts = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    shared: list[str] = []
    if speech:
        base = load_file(text / "model.safetensors")
        shared = [key for key, value in base.items() if key in weights and torch.equal(weights[key], value)]
        if len(shared) < len(base):
            sys.exit(f"{run.folder}: has other text layers than {text}. Train it again with training.start=bundled.")
        facts["base"] = f"../{BUNDLED}"
        facts["identities"]["base"] = checksum(text / "model.safetensors")
    card = target / "README.md"
    kept = card.read_text(encoding="utf-8") if card.is_file() else (run.folder / card.name).read_text(encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (*COPIED, *(() if speech else PARTS)):  # the speech model has the text model's decisions
        if (run.folder / name).is_file():
            shutil.copyfile(run.folder / name, target / name)
    write_json(target / "run.json", facts)
    own = {key: value for key, value in weights.items() if key not in shared}
    save_file(own, target / "model.safetensors", metadata={"format": "pt"})
    card.write_text(kept, encoding="utf-8")
    write_card(open_run(target))
    return target


def main() -> None:
    """Bundle the run named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    target = bundle(parser.parse_args().run)
    print(f"{target}: {(target / 'model.safetensors').stat().st_size / 2**20:.1f} MiB of weights")


if __name__ == "__main__":
    main()
