"""Make a trained run the model that comes with ecef: `python tests/generators/bundle_run.py RUN_FOLDER`.

The weights are stored as float16, which halves them; everything that is needed to predict goes along, and what only
training needs stays behind. Measure the bundled model, not the run: `ecef eval ecef_cli/bundled`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BUNDLED = Path(__file__).parents[2] / "ecef_cli" / "bundled"
COPIED = ("recipe.yaml", "run.json", "metrics.json", "environment.json", "log.jsonl")


def main() -> None:
    """Copy the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    card = BUNDLED / "README.md"
    kept = card.read_text(encoding="utf-8") if card.is_file() else ""
    shutil.rmtree(BUNDLED, ignore_errors=True)
    BUNDLED.mkdir()
    for name in COPIED:
        shutil.copy(run / name, BUNDLED / name)
    weights = {key: value.to(torch.float16) for key, value in load_file(run / "model.safetensors").items()}
    save_file(weights, BUNDLED / "model.safetensors", metadata={"format": "pt"})
    (BUNDLED / "README.md").write_text(kept or (run / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    size = (BUNDLED / "model.safetensors").stat().st_size
    print(f"{BUNDLED}: {size / 2**20:.1f} MiB of weights")


if __name__ == "__main__":
    main()
