"""Where workers run: what ``--devices`` names on this machine, or their share of a cluster."""

import os
import re

from extract.run.engine import ClusterShare, Slot
from seds_core.errors import UsageError

_SEVERAL_ON_CPU = re.compile(r"cpu:([1-9][0-9]*)", re.ASCII)


def named_devices(devices: str) -> list[str]:
    """The devices that an option names, one for each worker.

    ``cpu:N`` is N workers on processors, ``all`` every GPU. Whether a GPU that is named is there is
    found out when a network is loaded. Raises ``UsageError`` for ``all`` without a GPU.

    >>> named_devices("cuda:0,cuda:1"), named_devices("cpu:3"), named_devices("auto")
    (['cuda:0', 'cuda:1'], ['cpu', 'cpu', 'cpu'], ['auto'])
    """
    named: list[str] = []
    for name in devices.split(","):
        if several := _SEVERAL_ON_CPU.fullmatch(name.strip()):
            named += ["cpu"] * int(several[1])
        elif name.strip() == "all":
            named += _all_gpus()
        else:
            named.append(name.strip())
    return named


def share_of_cluster(
    engine: str,
    devices: str,
    *,
    address: str | None,
    num_workers: int | None,
    gpus: float | None,
    cpus: float | None,
) -> ClusterShare | None:
    """What the options of a command ask of a cluster; ``None`` for this machine.

    Raises ``UsageError`` for options of the one with the other.
    """
    of_cluster = {
        "--address": address,
        "--num-workers": num_workers,
        "--gpus-per-worker": gpus,
        "--cpus-per-worker": cpus,
    }
    given = [name for name, value in of_cluster.items() if value is not None]
    if engine == "ray":
        if devices != "auto":
            raise UsageError(
                "--devices names devices of this machine: with --engine ray, --num-workers and "
                "--gpus-per-worker say how many workers there are, and what each gets"
            )
        return ClusterShare(address or "auto", num_workers, gpus, cpus)
    if given:
        raise UsageError(
            f"{given[0]} is for --engine ray; on this machine --devices says what there is to use"
        )
    return None


def slots_on(devices: list[str], decode_workers: int) -> list[Slot]:
    """Room for a worker on each device; the decoders, and the processors, are divided among them.

    Each gets a decoder at least, unless ``decode_workers`` is 0.
    """
    num_workers, num_on_cpu = len(devices), devices.count("cpu")
    threads = max(1, len(os.sched_getaffinity(0)) // num_on_cpu) if num_on_cpu else None
    slots = []
    for number, device in enumerate(devices):
        share = (decode_workers + num_workers - 1 - number) // num_workers
        # Several workers on one device have names of their own.
        is_one = devices.count(device) == 1
        name = device if is_one else f"{device} #{devices[:number].count(device) + 1}"
        decoders = max(1, share) if decode_workers else 0
        slots.append(Slot(device, decoders, threads if device == "cpu" else None, name))
    return slots


def _all_gpus() -> list[str]:
    import torch  # noqa: PLC0415 - takes seconds

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise UsageError(
            f"--devices all: torch {torch.__version__} sees no GPU; use --devices cpu:N for N "
            "processes on the processors"
        )
    return [f"cuda:{number}" for number in range(count)]
