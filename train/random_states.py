"""Where randomness comes from, so that a resumed run draws the same numbers.

Model and dropout draw from the global generators, whose states are in every checkpoint. The data
draws from generators made of a purpose, the run's seed, the epoch and, for an example, the index of
its video in the split: nothing depends on the order of reading, on the number of worker or training
processes, or on whether a run was interrupted.
"""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class DropoutState:
    """The states of torch's generators for one device, which dropout in an encoder depends on."""

    cpu: Tensor
    cuda: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> "DropoutState":
        """Reads the states as they are."""
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(torch.get_rng_state(), cuda)

    def restore(self, device: torch.device) -> None:
        """Makes the next random numbers those that followed when the state was taken."""
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, device)


def seed_all(seed: int) -> None:
    """Seeds every global generator."""
    random.seed(seed)
    # NumPy's global generator takes no more than 32 bits.
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_states(device: torch.device) -> dict[str, Any]:
    """Returns every global generator's state as tuples, numbers and tensors."""
    name, keys, *rest = np.random.get_state()
    dropout = DropoutState.now(device)
    # As tensors and numbers, because a checkpoint is read without running code; NumPy's state would
    # be an array. ``rest`` holds a normal number that is already drawn.
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "torch": dropout.cpu,
        "cuda": dropout.cuda,
    }


def restore_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Puts back what :func:`random_states` returned."""
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    on_gpu = states["cuda"] if device.type == "cuda" else None
    DropoutState(states["torch"], on_gpu).restore(device)


# SeedSequence takes (1, 2) and (1, 2, 0) for the same seed; a leading purpose keeps them apart.
_DEALING = 1
_EXAMPLE = 2


def dealing_generator(seed: int, epoch: int) -> np.random.Generator:
    """Returns the generator that decides the order of an epoch's videos."""
    return np.random.default_rng((_DEALING, seed, epoch))


def example_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Returns the generator that decides how the video at ``index`` is augmented."""
    return np.random.default_rng((_EXAMPLE, seed, epoch, index))
