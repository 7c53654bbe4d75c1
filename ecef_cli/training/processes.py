"""Training processes, their devices and their precision."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, DistributedType, InitProcessGroupKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin, broadcast_object_list, gather_object

from ecef_cli import console
from ecef_cli.api.errors import EcefError, UsageProblem
from ecef_cli.network.devices import resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PRECISIONS = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}
_PATIENCE = timedelta(days=7)  # the others wait for as long as the main process extracts features
_KNOWN = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
_OTHER_WAYS = ("DEEPSPEED", "FSDP", "MEGATRON_LM", "PARALLELISM_CONFIG")  # modes of `accelerate launch`, by its names
_USE_CPU, _DEVICE = "ACCELERATE_USE_CPU", "ACCELERATE_TORCH_DEVICE"
_AUTO, _CPU = "auto", "cpu"

_Found = TypeVar("_Found")


class Processes:
    """The processes that a launcher such as `accelerate launch` started together, or this one alone.

    Every process holds the whole network and computes its share of every batch. The main process does all other
    work, while the others wait.

    Args:
        precision: `float32`, `bf16` or `fp16`, as a recipe says.
        device: the value of `--device`. Processes that were started together use one GPU each, or all use the CPU if
            that is requested or there is no GPU.

    Attributes:
        accelerator: accelerate's `Accelerator`.
        device: the device of this process.
        count: number of processes.
        rank: the number of this one.

    Raises:
        UsageProblem: the device is missing, is not the one the launcher chose, or does not support the precision;
            or the launcher asks for anything but equal processes.
    """

    def __init__(self, precision: str, device: str) -> None:
        for way in _OTHER_WAYS:
            if _is_set(f"ACCELERATE_USE_{way}"):
                raise UsageProblem(f"{way} is unsupported in training", hint="launch without it")
        launched = "LOCAL_RANK" in os.environ
        # accelerate keeps the first device and precision for the whole Python process; this training has its own.
        AcceleratorState._reset_state(reset_partial_state=not launched)  # noqa: SLF001 - the only way
        if launched:
            self.accelerator = _accelerator(precision, cpu=_CPU in (device, resolve_device(_AUTO)))
        else:
            with _taking(_CPU if device == _AUTO and _is_set(_USE_CPU) else resolve_device(device)):
                self.accelerator = _accelerator(precision)
        kind = self.accelerator.device.type
        self.device = _CPU if kind == _CPU else str(self.accelerator.device)
        self.count: int = self.accelerator.num_processes
        self.rank: int = self.accelerator.process_index
        if self.accelerator.distributed_type not in _KNOWN:
            raise UsageProblem(f"{self.accelerator.distributed_type.value} is unsupported in training")
        if launched and device not in (_AUTO, kind):
            raise UsageProblem(f"--device {device}: the launcher gave {self.device}", hint="leave --device out")
        if precision == "fp16" and kind == _CPU:
            raise UsageProblem("training.precision: fp16 needs a GPU", hint="bf16 and float32 work on a CPU")
        if self.count == 1 and _is_set(_USE_CPU) and "MASTER_ADDR" in os.environ and not launched:
            console.warn("`accelerate launch --cpu` starts one process alone; `torchrun --nproc_per_node 2` starts two")

    @property
    def main(self) -> bool:
        """Whether this is the main process, which prints and writes."""
        return self.rank == 0

    def shares(self, members: Sequence[int], parts: int) -> list[Sequence[int]]:
        """Return this process's share of a batch, part by part; a share may be empty.

        Args:
            members: the windows of the batch, shortest first. They are dealt out in turn, so all shares of a part take
                about the same time.
            parts: number of parts, computed one after another.
        """
        return [members[part * self.count + self.rank :: self.count * parts] for part in range(parts)]

    def total(self, share: torch.Tensor) -> float:
        """Return the sum of a number over all processes."""
        return float(self.accelerator.reduce(share, "sum").item())

    def any(self, here: bool) -> bool:
        """Return whether the value is true in any process."""
        return here if self.count == 1 else self.total(torch.tensor(float(here), device=self.device)) > 0

    @contextmanager
    def syncing(self, model: torch.nn.Module, *, last: bool) -> Iterator[None]:
        """Exchange gradients in the last part of a step; until then, accumulate them locally."""
        with nullcontext() if last else self.accelerator.no_sync(model):
            yield

    def alone(self, work: Callable[[], _Found]) -> _Found:
        """Run `work` in the main process alone; every process returns its result or raises its error."""
        if self.count == 1:
            return work()
        told: list[Any] = [None, None]
        try:
            if self.main:
                told[0] = work()
        except BaseException as error:
            broadcast_object_list([None, self._told(error)])
            raise
        broadcast_object_list(told)
        if told[1] is not None:
            raise told[1]
        found: _Found = told[0]
        return found

    def together(self, work: Callable[[], _Found]) -> _Found:
        """Run `work` in every process, the main one first; if one fails, all of them raise."""
        if self.count == 1:
            return work()
        found: list[_Found] = []
        self.alone(lambda: found.append(work()))
        try:
            if not self.main:
                found.append(work())
        except BaseException as error:
            gather_object([self._told(error)])
            raise
        for failed in gather_object([None]):
            if failed is not None:
                raise failed
        return found[0]

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Report errors inside the block that only this process sees; the main process does not learn of them."""
        try:
            yield
        except EcefError as error:
            if self.main:
                raise
            raise RuntimeError(str(error)) from error

    def _told(self, error: BaseException) -> BaseException:
        """Return an error in the form that the other processes raise."""
        if isinstance(error, EcefError | KeyboardInterrupt):
            return error
        return EcefError(f"process {self.rank} failed: {type(error).__name__}: {error}")


def leave() -> None:
    """Close the process group after all processes have finished."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - see above


def _accelerator(precision: str, *, cpu: bool = False) -> Accelerator:
    """Return an `Accelerator` that ignores settings a launcher makes outside the recipe."""
    try:
        return Accelerator(
            cpu=cpu,
            mixed_precision=_PRECISIONS[precision],
            dynamo_backend="no",
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            kwargs_handlers=[
                # Buffers are frozen layers: they are the same in every process and never change.
                DistributedDataParallelKwargs(broadcast_buffers=False),
                InitProcessGroupKwargs(timeout=_PATIENCE),
            ],
        )
    except ValueError as error:
        raise UsageProblem(f"training.precision: {precision}: {error}") from error


def _is_set(name: str) -> bool:
    return os.environ.get(name, "false").lower() == "true"


@contextmanager
def _taking(device: str) -> Iterator[None]:
    """Make accelerate use the given device instead of choosing one."""
    before = os.environ.get(_DEVICE)
    os.environ[_DEVICE] = device
    try:
        yield
    finally:
        if before is None:
            del os.environ[_DEVICE]
        else:
            os.environ[_DEVICE] = before
