"""The processes of a training run: one, or as many as ``torchrun`` has started."""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from seds_core.command_line import EXIT_ERROR
from seds_core.console import fail, messages
from seds_core.device import choose_device
from seds_core.errors import UnavailableError

LONGEST_WAIT = timedelta(hours=2)
"""How long a process waits for another one: the first may take this long for a validation."""

BUCKET_ELEMENTS = 8 * 2**20
"""Numbers that are summed over the processes at once: 32 MiB of float32."""

GRACE_SECONDS = 4.0
"""Time for a collective operation to fail by itself once another process is lost."""

ENDED = "another process of this run has ended; its own message, or its exit code, says why"


class LostProcessError(UnavailableError):
    """Raised when another process of the run has ended or cannot be reached."""


@dataclass(frozen=True)
class Processes:
    """This process among all that train one model. A single one needs no process group.

    The methods are collective operations: all processes must call the same ones in the same order,
    or each waits for what the others never send.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def gather_rows(self, rows: Shaped[Tensor, "row ..."]) -> Shaped[Tensor, "_ ..."]:
        """All-gathers rows, in the order of the processes; each has equally many. No gradient."""
        if self.size == 1:
            return rows
        # Not every backend carries booleans.
        dtype = torch.uint8 if rows.dtype == torch.bool else rows.dtype
        sent = rows.detach().contiguous().to(dtype)
        gathered = [torch.empty_like(sent) for _ in range(self.size)]
        with _naming_the_lost():
            dist.all_gather(gathered, sent)
        return torch.cat(gathered).to(rows.dtype)

    def sum_in_place(self, tensors: list[Tensor]) -> None:
        """Replaces each tensor with its sum over the processes."""
        if self.size == 1:
            return
        # A few large operations instead of one a parameter; the same buckets in all processes.
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            with _naming_the_lost():
                dist.all_reduce(flat)
            sums = torch.split(flat, [tensor.numel() for tensor in bucket])
            for tensor, total in zip(bucket, sums, strict=True):
                tensor.copy_(total.view_as(tensor))

    def copy_from_first(self, tensors: list[Tensor]) -> None:
        """Replaces each tensor with that of the first process."""
        if self.size > 1:
            with _naming_the_lost():
                for tensor in tensors:
                    dist.broadcast(tensor.detach(), src=0)

    def largest(self, number: int) -> int:
        """Returns the largest number of all processes, such as 1 if one of them wants to stop."""
        if self.size == 1:
            return number
        # On the own device: NCCL sends nothing that lies elsewhere.
        shared = torch.tensor(number, device=self.device)
        with _naming_the_lost():
            dist.all_reduce(shared, dist.ReduceOp.MAX)
        return int(shared)

    def gather_values(self, value: Any) -> list[Any]:  # noqa: ANN401 - whatever pickle takes
        """Returns a small value of each process, in their order."""
        values = [value] * self.size
        if self.size > 1:
            with _naming_the_lost():
                dist.all_gather_object(values, value)
        return values

    def value_of_first(self, value: Any) -> Any:  # noqa: ANN401 - whatever pickle takes
        """Returns the first process's value; the others wait for it."""
        values = [value]
        if self.size > 1:
            with _naming_the_lost():
                dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """Joins the process group that ``torchrun`` describes in the environment, and leaves it.

    Inside, only the first process shows messages. Raises ``UsageError`` for a device that is not
    there.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    own = choose_device(device, local_rank, int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    if size == 1:
        yield Processes(0, 1, own)
        return
    # NCCL talks through the current device, so it is chosen before the group is joined.
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    messages.quiet = rank > 0
    processes, has_left = Processes(rank, size, own), threading.Event()
    _end_with_the_others(processes, has_left)
    try:
        yield processes
        # A process that ends while another one still works would count as lost: all meet here.
        processes.gather_values(None)
        # Not after an error, where it may wait for ever for a process that failed.
        dist.destroy_process_group()
    except BaseException:
        messages.quiet = False  # the error of any process is shown
        raise
    finally:
        has_left.set()


def _end_with_the_others(processes: Processes, has_left: threading.Event) -> None:
    """Ends this process when one of the others on this machine does, unless ``has_left`` is set.

    A process that waits for a lost one may wait for ever: a GPU's collective operation cannot be
    interrupted.
    """
    # Process numbers mean the same within one boot and one namespace of them.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    here = boot, Path("/proc/self/ns/pid").stat().st_ino
    found = processes.gather_values((here, os.getpid()))
    others = [os.pidfd_open(pid) for where, pid in found if where == here and pid != os.getpid()]

    def watch() -> None:
        ends = select.poll()
        for other in others:
            ends.register(other, select.POLLIN)
        if others:
            ends.poll()  # returns when one of them ends
            if not has_left.wait(GRACE_SECONDS):
                fail(ENDED)
                os._exit(EXIT_ERROR)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _naming_the_lost() -> Iterator[None]:
    # Both backends raise a plain RuntimeError when the other end of a connection is gone.
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError(f"{ENDED} ({str(error).splitlines()[0]})") from error


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for tensor in tensors:
        # A tensor that is larger than a bucket gets one of its own.
        if bucket and sum(t.numel() for t in bucket) + tensor.numel() > BUCKET_ELEMENTS:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
