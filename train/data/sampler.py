"""Deals the videos of a split into the batches of an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seds_core.errors import UsageError
from train.random_states import dealing_generator

SameSentence = Literal["together", "apart"]


@dataclass(frozen=True)
class EpochBatches:
    """The batches of every epoch, as one of several training processes sees them.

    An epoch is a permutation of the split, cut into batches. Videos at its end that do not fill a
    batch are left out of this epoch, unless the split is smaller than one batch: then that batch
    holds all of it, as far as it can be dealt evenly to the processes.
    """

    sentences: tuple[str, ...]
    """Sentence of each video, in the order of the split."""
    batch_size: int
    """Videos of a step, over all processes."""
    seed: int
    same_sentence: SameSentence = "together"
    """``apart`` deals videos of one sentence into different batches as far as possible."""
    rank: int = 0
    """Which process this is."""
    num_processes: int = 1

    def __post_init__(self) -> None:
        """Raises :class:`UsageError` when no batch can be dealt evenly to the processes."""
        if self.batch_size % self.num_processes:
            raise UsageError(
                f"optimisation.batch_size {self.batch_size} cannot be dealt evenly to "
                f"{self.num_processes} processes: make it a multiple of {self.num_processes}"
            )
        if len(self.sentences) < self.num_processes:
            raise UsageError(
                f"{len(self.sentences)} training videos cannot be dealt to {self.num_processes} "
                "processes: start fewer of them, or train on more videos"
            )

    @property
    def num_steps(self) -> int:
        """Batches of an epoch, the same in every epoch."""
        return max(1, len(self.sentences) // self.batch_size)

    def batches(self, epoch: int, *, first_step: int = 0) -> list[list[int]]:
        """Returns this process's part of each batch: indices into the split, step by step.

        A resumed epoch starts at ``first_step`` and goes on as if it had never stopped.
        """
        own = []
        for batch in self.global_batches(epoch)[first_step:]:
            size = len(batch) // self.num_processes
            own.append(batch[self.rank * size : (self.rank + 1) * size])
        return own

    def global_batches(self, epoch: int) -> list[list[int]]:
        """Returns the batches of all processes together."""
        size = min(self.batch_size, len(self.sentences))
        # The same number for every process, where the split is smaller than a batch too.
        size -= size % self.num_processes
        # Every process draws the same permutation, and takes its own part of each batch.
        order = dealing_generator(self.seed, epoch).permutation(len(self.sentences))
        dealt = order[: self.num_steps * size].tolist()
        if self.same_sentence == "apart":
            dealt = spread(dealt, self.sentences, self.num_steps)
        return [dealt[start : start + size] for start in range(0, len(dealt), size)]


def spread(indices: Sequence[int], sentences: Sequence[str], num_batches: int) -> list[int]:
    """Reorders indices so that ``num_batches`` equal batches hold few videos of one sentence each.

    Videos of a sentence follow each other and are dealt like cards, one to each batch in turn, so
    that they are in as many different batches as possible.

    >>> spread([0, 1, 2, 3], ["same", "same", "other", "last"], 2)
    [0, 2, 1, 3]
    """
    # Sentence -> its videos, in the order of the permutation.
    groups: dict[str, list[int]] = {}
    for index in indices:
        groups.setdefault(sentences[index], []).append(index)
    cards = [index for group in groups.values() for index in group]
    # Rows are rounds of dealing, one card to each batch; columns are the batches.
    return np.reshape(cards, (-1, num_batches)).T.ravel().tolist()
