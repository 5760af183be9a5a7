"""Whether one model finds more than another, by what both do with the same queries.

Two tools, because they answer two questions. *Is there a difference at all?* A randomisation test:
if the two models were equally good, each query's two outcomes could as well be swapped, so the
difference of R@k is compared with those after random swaps. It needs no assumption about how
outcomes are distributed, and holds for a few dozen queries, where most outcomes are equal and a
bootstrap's tail is too thin. *How large is it?* A bootstrap of the queries' differences (percentile
method, 95 %).

Videos of one sentence resemble each other, and so they are swapped and drawn together: the queries
come in groups. Neither tool covers what another training seed would change.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from train.evaluation.metrics import PERCENTILES, SEED

NUM_SWAPS = 10_000
NUM_RESAMPLES = 2_000
EXACT_BELOW = 14
"""Groups whose outcomes differ: so many can be swapped in all ways, which leaves nothing to
chance."""

SWAPPED_AT_ONCE = 2**22
"""Groups that are swapped together: a bound on memory."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class PairedTest:
    """The second model's R@k against the first one's, on the same queries; all in percent."""

    first: float
    second: float
    interval: tuple[float, float]
    """Of the difference."""
    p_value: float
    """Probability of a difference as large, in either direction, between equal models."""
    num_won: int
    """Queries that the second model alone finds, or is more likely to."""
    num_lost: int

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first


def paired_test(
    first: Float[np.ndarray, " query"],
    second: Float[np.ndarray, " query"],
    group: Int64[np.ndarray, " query"],
    *,
    seed: int = SEED,
) -> PairedTest:
    """Compares outcomes of the same queries: 1 where a query hits, 0 where not, or a probability.

    Queries of equal ``group`` are swapped and drawn together.
    """
    differences = second - first
    _, numbers = np.unique(group, return_inverse=True)
    of_group = np.bincount(numbers, weights=differences)
    sizes = np.bincount(numbers)
    return PairedTest(
        first=100 * float(first.mean()),
        second=100 * float(second.mean()),
        interval=_interval(of_group, sizes, np.random.default_rng(seed)),
        p_value=_p_value(of_group, np.random.default_rng(seed)),
        num_won=int(np.count_nonzero(differences > _ROUNDING)),
        num_lost=int(np.count_nonzero(differences < -_ROUNDING)),
    )


def _p_value(of_group: Float[np.ndarray, " _"], generator: np.random.Generator) -> float:
    """Fraction of swaps whose difference is at least as far from zero."""
    # A group without a difference is the same either way.
    moved = of_group[np.abs(of_group) > _ROUNDING]
    observed = abs(moved.sum()) - _ROUNDING
    if len(moved) <= EXACT_BELOW:
        ways = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
        return float(np.mean(np.abs((1 - 2 * ways) @ moved) >= observed))
    size = max(1, SWAPPED_AT_ONCE // len(moved))
    as_far = 0
    for start in range(0, NUM_SWAPS, size):
        shape = min(size, NUM_SWAPS - start), len(moved)
        swapped = (2 * generator.integers(0, 2, size=shape) - 1) @ moved
        as_far += int(np.count_nonzero(np.abs(swapped) >= observed))
    # The outcome itself is one of the swaps, and so p is never 0.
    return (1 + as_far) / (1 + NUM_SWAPS)


def _interval(
    of_group: Float[np.ndarray, " _"],
    sizes: Int64[np.ndarray, " _"],
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Percentiles of the difference when groups are drawn again with replacement."""
    num_groups = len(of_group)
    means = np.empty(NUM_RESAMPLES)
    # One at a time: together the draws of a large split would take gigabytes.
    for n in range(NUM_RESAMPLES):
        drawn = generator.integers(0, num_groups, size=num_groups)
        means[n] = of_group[drawn].sum() / sizes[drawn].sum()
    low, high = 100 * np.percentile(means, PERCENTILES)
    return float(low), float(high)
