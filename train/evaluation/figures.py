"""The figures of a split: metrics of every stream and direction, intervals, chance, spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from train.evaluation.confidence import SEED, bootstrap_intervals
from train.evaluation.gallery import Gallery
from train.evaluation.ranks import DIRECTIONS, Direction, chance_ranks
from train.evaluation.request import TieRule
from train.evaluation.retrieval_metrics import (
    CUT_OFFS,
    RetrievalMetrics,
    measure,
    settle,
)
from train.evaluation.split_scores import SplitScores


@dataclass(frozen=True)
class Figures:
    """One stream in one direction."""

    metrics: RetrievalMetrics
    intervals: dict[int, tuple[float, float]]
    """``k`` -> 95 % interval of R@k in percent."""


StreamFigures = dict[str, dict[Direction, Figures]]
"""Stream -> direction -> figures."""


@dataclass(frozen=True)
class Spread:
    """A figure over several runs."""

    mean: float
    deviation: float
    """Standard deviation of the runs (with n - 1)."""


def figures_of(scores: SplitScores, rule: TieRule, *, seed: int = SEED) -> StreamFigures:
    """Figures of every stream and direction under one rule for ties."""
    return {
        stream: {
            direction: _figures(scores, stream, direction, rule, seed) for direction in DIRECTIONS
        }
        for stream in scores.streams
    }


def chance_figures(gallery: Gallery) -> dict[Direction, RetrievalMetrics]:
    """What random order reaches. R@k and the mean rank are exact: means over all orders of the
    gallery; the median is that of the queries' mean ranks."""
    ranks = chance_ranks(len(gallery.sentences), gallery.text_of_video)
    return {direction: measure(settle(ranks[direction], "expected")) for direction in DIRECTIONS}


def named_values(metrics: RetrievalMetrics) -> dict[str, float]:
    """The columns of a table: ``R@1`` ... in percent, ``MedR``, ``MeanR``."""
    recall = {f"R@{k}": metrics.recall[k] for k in CUT_OFFS}
    return recall | {"MedR": metrics.median_rank, "MeanR": metrics.mean_rank}


def spread_of(runs: Sequence[StreamFigures]) -> dict[str, dict[Direction, dict[str, Spread]]]:
    """Mean and deviation of every figure over runs of the same streams, two at least."""
    return {
        stream: {
            direction: _spread([named_values(run[stream][direction].metrics) for run in runs])
            for direction in DIRECTIONS
        }
        for stream in runs[0]
    }


def _figures(
    scores: SplitScores, stream: str, direction: Direction, rule: TieRule, seed: int
) -> Figures:
    settled = scores.settled(stream, direction, rule)
    return Figures(measure(settled), bootstrap_intervals(settled.hits, seed=seed))


def _spread(runs: Sequence[dict[str, float]]) -> dict[str, Spread]:
    values = {name: [run[name] for run in runs] for name in runs[0]}
    return {name: Spread(fmean(of_name), stdev(of_name)) for name, of_name in values.items()}
