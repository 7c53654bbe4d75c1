"""Device to compute on."""

from __future__ import annotations

import re

from ecef_cli.api.errors import UsageProblem


def resolve_device(wanted: str) -> str:
    """Return the device that `auto`, `cpu`, `cuda`, `cuda:N` or `mps` means on this machine.

    Raises:
        UsageProblem: the name is invalid, or the machine has no such device.
    """
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", wanted):
        raise UsageProblem(f"--device {wanted!r} is not a device", hint="use auto, cpu, cuda, cuda:N or mps")
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        if number >= torch.cuda.device_count():
            problem = f"--device {wanted}: this machine has {torch.cuda.device_count()} CUDA devices"
            raise UsageProblem(problem, hint="use --device auto")
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise UsageProblem("--device mps: this machine has no Metal device", hint="use --device auto")
    return wanted
