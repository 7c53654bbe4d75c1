"""The processes that train one network together, the device of each and the precision they compute in."""

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
_PATIENCE = timedelta(days=7)  # others wait while the main process extracts features, however long that takes
_KNOWN = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
_OTHER_WAYS = ("DEEPSPEED", "FSDP", "MEGATRON_LM", "PARALLELISM_CONFIG")  # of `accelerate launch`, as it names them
_USE_CPU, _DEVICE = "ACCELERATE_USE_CPU", "ACCELERATE_TORCH_DEVICE"
_AUTO, _CPU = "auto", "cpu"

_Found = TypeVar("_Found")


class Processes:
    """The processes that a launcher such as `accelerate launch` started together, or this one alone.

    All of them hold the whole network and share the windows of every batch. What is not shared is done by the main
    process, while the others wait.

    Args:
        precision: `float32`, `bf16` or `fp16`, as a recipe says.
        device: where to compute, as `--device` says. Of processes that were started together each has a GPU of its own,
            or all compute on the CPU, where that is asked for or there is no GPU.

    Attributes:
        accelerator: of accelerate.
        device: where this process computes.
        count: how many processes there are.
        rank: the number of this one.

    Raises:
        UsageProblem: the device is not there, is not the one that a launcher chose, or does not know the precision;
            or a launcher asks for something else than equal processes.
    """

    def __init__(self, precision: str, device: str) -> None:
        for way in _OTHER_WAYS:
            if _is_set(f"ACCELERATE_USE_{way}"):
                raise UsageProblem(f"training does not know {way}", hint="launch it without")
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
            raise UsageProblem(f"training does not know {self.accelerator.distributed_type.value}")
        if launched and device not in (_AUTO, kind):
            raise UsageProblem(f"--device {device}: the launcher gave {self.device}", hint="leave --device out")
        if precision == "fp16" and kind == _CPU:
            raise UsageProblem("training.precision: fp16 needs a GPU", hint="bf16 and float32 work on a CPU")
        if self.count == 1 and _is_set(_USE_CPU) and "MASTER_ADDR" in os.environ and not launched:
            console.warn("`accelerate launch --cpu` starts one process alone; `torchrun --nproc_per_node 2` starts two")

    @property
    def main(self) -> bool:
        """Whether this process is the one that speaks and writes."""
        return self.rank == 0

    def shares(self, members: Sequence[int], parts: int) -> list[Sequence[int]]:
        """Return what this process has of a batch, part by part; a share may be empty.

        Args:
            members: the windows of the batch, the shortest first. They are dealt out in turn, so that every share
                of a part takes about as long as the others.
            parts: that the batch is computed in, one after another.
        """
        return [members[part * self.count + self.rank :: self.count * parts] for part in range(parts)]

    def total(self, share: torch.Tensor) -> float:
        """Return the sum of a number over all processes."""
        return float(self.accelerator.reduce(share, "sum").item())

    def any(self, here: bool) -> bool:
        """Return whether something holds in any process."""
        return here if self.count == 1 else self.total(torch.tensor(float(here), device=self.device)) > 0

    @contextmanager
    def syncing(self, model: torch.nn.Module, *, last: bool) -> Iterator[None]:
        """Exchange the gradients of a part where it is the last of its step; they add up here until then."""
        with nullcontext() if last else self.accelerator.no_sync(model):
            yield

    def alone(self, work: Callable[[], _Found]) -> _Found:
        """Return on every process what `work` returns on the main one, which does it alone; its error is everyone's."""
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
        """Return what `work` returns here; the main process does it first, and an error of one is everyone's."""
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
        """Where only this process can fail, have its error shown: the main one does not know of it."""
        try:
            yield
        except EcefError as error:
            if self.main:
                raise
            raise RuntimeError(str(error)) from error

    def _told(self, error: BaseException) -> BaseException:
        """Return an error as the others are told of it."""
        if isinstance(error, EcefError | KeyboardInterrupt):
            return error
        return EcefError(f"process {self.rank} failed: {type(error).__name__}: {error}")


def leave() -> None:
    """End what binds processes that were started together, once all of them are done."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - see above


def _accelerator(precision: str, *, cpu: bool = False) -> Accelerator:
    """Return accelerate's own object, in which nothing is left to what a launcher sets beside the recipe."""
    try:
        return Accelerator(
            cpu=cpu,
            mixed_precision=_PRECISIONS[precision],
            dynamo_backend="no",
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            kwargs_handlers=[
                # Buffers are frozen layers: they are the same everywhere and never change.
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
    """Have accelerate take a device instead of choosing one."""
    before = os.environ.get(_DEVICE)
    os.environ[_DEVICE] = device
    try:
        yield
    finally:
        if before is None:
            del os.environ[_DEVICE]
        else:
            os.environ[_DEVICE] = before
