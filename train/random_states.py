"""Random generators by name, and their states for a run that goes on."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class DropoutState:
    """Torch's generators of one device: what dropout in an encoder depends on."""

    cpu: Tensor
    cuda: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> "DropoutState":
        """As they are."""
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(torch.get_rng_state(), cuda)

    def restore(self, device: torch.device) -> None:
        """Makes the next random numbers those that followed when the state was taken."""
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, device)


def seed_all(seed: int) -> None:
    """Starts every generator anew."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_states(device: torch.device) -> dict[str, Any]:
    """Every generator's state: tuples, numbers and tensors."""
    name, keys, *rest = np.random.get_state()
    dropout = DropoutState.now(device)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "torch": dropout.cpu,
        "cuda": dropout.cuda,
    }


def restore_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Puts back what :func:`random_states` gave."""
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    on_gpu = states["cuda"] if device.type == "cuda" else None
    DropoutState(states["torch"], on_gpu).restore(device)


# FROM train/data/random_generators.py
# Where all randomness of the data comes from: numbers that a run can be resumed with.
#
# A generator is made of its purpose, the run's seed, the epoch and, for an example, the place of its
# video in the split. So nothing depends on the order of reading, on the number of worker or training
# processes, or on whether a run was interrupted.


# SeedSequence takes (1, 2) and (1, 2, 0) for the same seed; a leading purpose keeps them apart.
_DEALING = 1
_EXAMPLE = 2


def dealing_generator(seed: int, epoch: int) -> np.random.Generator:
    """Decides the order of an epoch's videos."""
    return np.random.default_rng((_DEALING, seed, epoch))


def example_generator(seed: int, epoch: int, place: int) -> np.random.Generator:
    """Decides the random changes of the video at ``place`` of the split."""
    return np.random.default_rng((_EXAMPLE, seed, epoch, place))
