"""Make a trained run the model that comes with ecef: `python tests/generators/bundle_run.py RUN_FOLDER [--to FOLDER]`.

Weights are stored as float16, half their size. Everything that predictions need is copied, and nothing that only
training needs. Then measure the stored model instead of the run: `ecef eval ecef_cli/bundled`, which also writes its
card; text below the card's marker line is kept.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BUNDLED = Path(__file__).parents[2] / "ecef_cli" / "bundled"
COPIED = ("recipe.yaml", "run.json", "metrics.json", "environment.json", "log.jsonl")
DECIDING = ("decision.json", "cues.safetensors")  # only runs whose recipe has a decision or cues


def bundle(run: Path, target: Path) -> None:
    """Replace a folder with a copy of a run; keep its card."""
    card = target / "README.md"
    kept = card.read_text(encoding="utf-8") if card.is_file() else ""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (*COPIED, *(name for name in DECIDING if (run / name).is_file())):
        shutil.copyfile(run / name, target / name)
    weights = {key: value.to(torch.float16) for key, value in load_file(run / "model.safetensors").items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    (target / "README.md").write_text(kept or (run / "README.md").read_text(encoding="utf-8"), encoding="utf-8")


def main() -> None:
    """Bundle the run named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--to", type=Path, default=BUNDLED, help="the folder to replace")
    asked = parser.parse_args()
    bundle(asked.run, asked.to)
    size = sum(path.stat().st_size for path in asked.to.glob("*.safetensors"))
    print(f"{asked.to}: {size / 2**20:.1f} MiB of weights")


if __name__ == "__main__":
    main()
