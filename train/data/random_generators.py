"""Where all randomness of the data comes from: numbers that a run can be resumed with.

A generator is made of its purpose, the run's seed, the epoch and, for an example, the place of its
video in the split. So nothing depends on the order of reading, on the number of worker or training
processes, or on whether a run was interrupted.
"""

import numpy as np

# SeedSequence takes (1, 2) and (1, 2, 0) for the same seed; a leading purpose keeps them apart.
_DEALING = 1
_EXAMPLE = 2


def dealing_generator(seed: int, epoch: int) -> np.random.Generator:
    """Decides the order of an epoch's videos."""
    return np.random.default_rng((_DEALING, seed, epoch))


def example_generator(seed: int, epoch: int, place: int) -> np.random.Generator:
    """Decides the random changes of the video at ``place`` of the split."""
    return np.random.default_rng((_EXAMPLE, seed, epoch, place))
