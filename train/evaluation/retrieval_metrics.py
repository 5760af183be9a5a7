"""R@k, median and mean rank of all queries of one direction, under a named rule for ties."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from train.evaluation.ranks import Direction, Ranks

CUT_OFFS = (1, 5, 10)
"""The places ``k`` of R@k."""


@dataclass(frozen=True)
class SettledRanks:
    """Ranks under one rule for ties: the numbers that metrics are means of."""

    ranks: Float[np.ndarray, " query"]
    hits: dict[int, Float[np.ndarray, " query"]]
    """``k`` -> whether the rank is at most ``k``; the probability of it under ``expected``."""
    lower_median: bool = False
    """Of the two ranks in the middle the lower one is the median, not their mean."""


@dataclass(frozen=True)
class RetrievalMetrics:
    """What a table shows of one direction."""

    recall: dict[int, float]
    """``k`` -> R@k in percent."""
    median_rank: float
    mean_rank: float
    rank_deviation: float
    """Standard deviation of the ranks."""
    num_ranks: int
    """Queries; under the published rule tied ones count several times."""


def settle(ranks: Ranks, rule: Literal["expected", "optimistic", "pessimistic"]) -> SettledRanks:
    """Decides ties: R@k under ``expected`` is a probability, its mean and median rank are those of
    the expected ranks."""
    if rule == "expected":
        hits = {k: ranks.probability_within(k) for k in CUT_OFFS}
        return SettledRanks(ranks.expected, hits)
    chosen = ranks.optimistic if rule == "optimistic" else ranks.pessimistic
    return SettledRanks(chosen.astype(np.float64), _hits(chosen))


def settle_published(ranks: Int64[np.ndarray, " query"], direction: Direction) -> SettledRanks:
    """Ranks of :func:`~train.evaluation.published_ranks.published_ranks`, as the release averages
    them."""
    return SettledRanks(
        ranks.astype(np.float64), _hits(ranks), lower_median=direction == "video_to_text"
    )


def measure(settled: SettledRanks) -> RetrievalMetrics:
    """The metrics of one direction."""
    ranks = settled.ranks
    # The method's name for the value that is there, not between two: the lower one.
    median = np.percentile(ranks, 50, method="lower" if settled.lower_median else "linear")
    return RetrievalMetrics(
        recall={k: 100 * float(hits.mean()) for k, hits in settled.hits.items()},
        median_rank=float(median),
        mean_rank=float(ranks.mean()),
        rank_deviation=float(ranks.std()),
        num_ranks=len(ranks),
    )


def _hits(ranks: Int64[np.ndarray, " query"]) -> dict[int, Float[np.ndarray, " query"]]:
    return {k: (ranks <= k).astype(np.float64) for k in CUT_OFFS}
