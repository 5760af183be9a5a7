"""The device that a process's networks run on."""

from typing import TYPE_CHECKING

from seds_core.errors import UsageError

if TYPE_CHECKING:
    import torch


def choose_device(name: str, local_rank: int = 0, num_local: int = 1) -> "torch.device":
    """The device that ``--device`` names: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``auto`` is a GPU where there is one. Without a number each of the ``num_local`` processes on
    this machine gets a GPU of its own. Raises :class:`UsageError` for a device that is not there.
    """
    kind, _, number = name.partition(":")
    # isdigit alone is true of superscript digits, which int refuses.
    is_numbered = number.isascii() and number.isdigit()
    if name not in ("auto", "cpu", "cuda") and not (kind == "cuda" and is_numbered):
        raise UsageError(
            f"there is no device '{name}': --device takes auto, cpu, cuda, or cuda:N for one GPU"
        )
    if is_numbered and num_local > 1:
        raise UsageError(
            f"--device {name} is one GPU for {num_local} processes: with --device cuda each has "
            "one of its own, and CUDA_VISIBLE_DEVICES chooses among them"
        )
    import torch  # noqa: PLC0415 - takes seconds

    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not num_gpus):
        return torch.device("cpu")
    if not num_gpus:
        raise UsageError(
            f"--device {name}: torch {torch.__version__} sees no GPU; use --device cpu"
        )
    # torchrun counts the processes of a machine from 0, as CUDA does its devices.
    index = int(number) if is_numbered else local_rank
    if index >= num_gpus:
        raise UsageError(
            f"--device {name}: cuda:{index} is not there; there are {num_gpus} GPUs, the last is "
            f"cuda:{num_gpus - 1}"
        )
    return torch.device("cuda", index)
