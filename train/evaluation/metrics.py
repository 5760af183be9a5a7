"""Recall at k, median and mean rank of a split's streams, with bootstrap confidence intervals.

An interval is made by drawing the queries again with replacement: sentences for text to video,
videos for video to text. It says how far R@k would move with other queries of the same kind against
the same candidates (percentile method, 95 %). It does *not* cover what another training seed
changes (train several runs), other candidates or a larger gallery, the choice of the checkpoint, or
that queries of one signer or one sentence resemble each other: it is too narrow where they do.
Where all queries hit, or none does, it has no width at all, which does not mean certainty.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev

import numpy as np
from jaxtyping import Float, Int64

from train.evaluation import Normalisation, TieRule
from train.evaluation.hubness import normalised
from train.evaluation.ranks import (
    DIRECTIONS,
    Direction,
    Ranks,
    chance_ranks,
    published_ranks,
    rank_both_ways,
)

CUT_OFFS = (1, 5, 10)
"""The ``k`` of R@k."""

NUM_RESAMPLES = 2000
SEED = 0
PERCENTILES = (2.5, 97.5)
DRAWS_AT_ONCE = 2**21
"""Queries drawn together: a bound on memory that has no influence on the result."""


@dataclass(frozen=True)
class Metrics:
    """Metrics of one direction under one rule for ties, with the queries' values behind them."""

    ranks: Float[np.ndarray, " query"]
    """Under the published rule tied queries count several times."""
    hits: dict[int, Float[np.ndarray, " query"]]
    """``k`` -> whether the rank is at most ``k``; the probability of it under ``expected``."""
    has_lower_median: bool = False
    """Of the two ranks in the middle the lower one is the median, not their mean."""

    @property
    def recall(self) -> dict[int, float]:
        """``k`` -> R@k in percent."""
        return {k: 100 * float(hits.mean()) for k, hits in self.hits.items()}

    @property
    def median_rank(self) -> float:
        """Median of the ranks."""
        if self.has_lower_median:
            return float(np.percentile(self.ranks, 50, method="lower"))
        return float(np.percentile(self.ranks, 50))

    @property
    def mean_rank(self) -> float:
        """Mean of the ranks."""
        return float(self.ranks.mean())

    @property
    def rank_deviation(self) -> float:
        """Standard deviation of the ranks."""
        return float(self.ranks.std())

    @property
    def columns(self) -> dict[str, float]:
        """What a table shows: ``R@1`` ... in percent, ``MedR``, ``MeanR``."""
        recall = {f"R@{k}": value for k, value in self.recall.items()}
        return recall | {"MedR": self.median_rank, "MeanR": self.mean_rank}

    def intervals(self, seed: int = SEED) -> dict[str, tuple[float, float]]:
        """``R@k`` -> lower and upper end of its interval in percent."""
        ends = bootstrap_intervals(self.hits, seed=seed)
        return {f"R@{k}": interval for k, interval in ends.items()}


def measure(ranks: Ranks, rule: TieRule) -> Metrics:
    """Metrics with ties decided by any rule but the published one.

    Under ``expected`` a query hits with a probability, and median and mean are those of the
    expected ranks.
    """
    if rule == "expected":
        hits = {k: ranks.probability_within(k) for k in CUT_OFFS}
        return Metrics(ranks.expected, hits)
    chosen = ranks.optimistic if rule == "optimistic" else ranks.pessimistic
    return Metrics(chosen.astype(np.float64), _hits(chosen))


def measure_published(ranks: Int64[np.ndarray, " query"], direction: Direction) -> Metrics:
    """Metrics of :func:`~train.evaluation.ranks.published_ranks`, averaged as the release does."""
    return Metrics(ranks.astype(np.float64), _hits(ranks), direction == "video_to_text")


def _hits(ranks: Int64[np.ndarray, " query"]) -> dict[int, Float[np.ndarray, " query"]]:
    return {k: (ranks <= k).astype(np.float64) for k in CUT_OFFS}


def bootstrap_intervals(
    hits: dict[int, Float[np.ndarray, " query"]], *, seed: int = SEED
) -> dict[int, tuple[float, float]]:
    """``k`` -> lower and upper end of R@k's interval in percent; all ``k`` see the same draws."""
    columns = list(hits.values())
    num_queries = len(columns[0])
    # Row k of ``means`` holds R@k of every resample. The generator gives the same draws in blocks.
    generator = np.random.default_rng(seed)
    means = np.empty((len(columns), NUM_RESAMPLES))
    rows = max(1, DRAWS_AT_ONCE // num_queries)
    for start in range(0, NUM_RESAMPLES, rows):
        shape = (min(rows, NUM_RESAMPLES - start), num_queries)
        drawn = generator.integers(0, num_queries, size=shape)
        for column, values in enumerate(columns):
            means[column, start : start + rows] = values[drawn].mean(axis=1)
    ends = 100 * np.percentile(means, PERCENTILES, axis=1)
    return {k: (float(low), float(high)) for k, (low, high) in zip(hits, ends.T, strict=True)}


@dataclass(frozen=True)
class Gallery:
    """The candidates of both directions, which are the queries of the other one."""

    split: str
    video_ids: tuple[str, ...]
    sentences: tuple[str, ...]
    """Unique; in the order in which the videos bring them."""
    text_of_video: Int64[np.ndarray, " video"]
    """Each video's sentence, as an index into ``sentences``."""
    entry_of_video: Int64[np.ndarray, " video"]
    """Each video's entry of a published caption file; its sentence where none is known."""

    @property
    def num_entries(self) -> int:
        """Entries of the published caption file: its text queries."""
        return int(self.entry_of_video.max()) + 1


def build_gallery(
    split: str,
    video_ids: Sequence[str],
    texts: Sequence[str],
    entries: Sequence[str] | None = None,
) -> Gallery:
    """Returns the gallery of videos and their sentences, one each.

    ``entries`` tells which videos the release of SEDS counts as one query: they have one sentence,
    but other entries may have the same one.
    """
    text_of_video = _numbered(texts)
    return Gallery(
        split,
        tuple(video_ids),
        tuple(dict.fromkeys(texts)),
        text_of_video,
        text_of_video if entries is None else _numbered(list(zip(entries, texts, strict=True))),
    )


def _numbered(values: Sequence[object]) -> Int64[np.ndarray, " video"]:
    """Numbers equal values alike, from 0 in the order in which they first occur."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], np.int64)


@dataclass(frozen=True)
class BankScores:
    """How one stream scores the candidates of a split with the queries of the training split."""

    of_videos: Float[np.ndarray, "video _text"]
    """The split's videos with the distinct sentences of training."""
    of_sentences: Float[np.ndarray, "_video text"]
    """The videos of training with the split's sentences."""


@dataclass(frozen=True)
class SplitScores:
    """Scores of all pairs of a split, stream by stream: ``fusion``, ``pose``, ``rgb``."""

    gallery: Gallery
    scores: dict[str, Float[np.ndarray, "video text"]]
    """Stream -> scores; rows are videos, columns sentences, in the gallery's order."""
    bank: dict[str, BankScores] = field(default_factory=dict)
    """Stream -> scores with the training split; empty where nothing is to be normalised."""

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that the model has."""
        return tuple(self.scores)

    @cached_property
    def ranks(self) -> dict[str, dict[Direction, Ranks]]:
        """Stream -> direction -> ranks of all queries.

        Raises :class:`~train.evaluation.ranks.ScoreError` for scores that are not finite.
        """
        return {
            stream: rank_both_ways(scores, self.gallery.text_of_video)
            for stream, scores in self.scores.items()
        }

    def metrics(self, stream: str, direction: Direction, rule: TieRule = "expected") -> Metrics:
        """Metrics of a stream in one direction, with ties decided by ``rule``."""
        ranks = self.ranks[stream][direction]
        if rule != "published":
            return measure(ranks, rule)
        # The release ranks entries of its caption files, not videos and sentences.
        gallery = self.gallery
        counted = published_ranks(
            self.scores[stream], gallery.text_of_video, gallery.entry_of_video
        )
        return measure_published(counted[direction], direction)

    def normalised(self, how: Normalisation, direction: Direction) -> "SplitScores":
        """Returns the scores of one direction without hubs; the other one's are meaningless."""
        found: dict[str, Float[np.ndarray, "video text"]] = {}
        for stream, bank in self.bank.items():
            scores = self.scores[stream]
            if direction == "text_to_video":
                found[stream] = normalised(scores.T, bank.of_videos.T, how).T
            else:
                found[stream] = normalised(scores, bank.of_sentences, how)
        return SplitScores(self.gallery, found)

    def mean_r1(self, stream: str) -> float:
        """Mean of R@1 of both directions, in percent; ties count by their expectation."""
        return sum(self.metrics(stream, way).recall[1] for way in DIRECTIONS) / len(DIRECTIONS)


def chance_metrics(gallery: Gallery) -> dict[Direction, Metrics]:
    """What random order reaches.

    R@k and the mean rank are exact: means over all orders of the gallery. The median is that of the
    queries' mean ranks.
    """
    # A system that knows nothing ties all candidates.
    ranks = chance_ranks(len(gallery.sentences), gallery.text_of_video)
    return {direction: measure(ranks[direction], "expected") for direction in DIRECTIONS}


def spread_of(
    runs: Sequence[SplitScores], rule: TieRule
) -> dict[str, dict[Direction, dict[str, dict[str, float]]]]:
    """Stream -> direction -> column -> ``mean`` and ``deviation`` over two or more runs.

    The deviation is the standard deviation with n - 1. All runs have the same streams.
    """

    def spread(stream: str, direction: Direction) -> dict[str, dict[str, float]]:
        columns = [run.metrics(stream, direction, rule).columns for run in runs]
        values = {name: [of_run[name] for of_run in columns] for name in columns[0]}
        return {
            n: {"mean": fmean(of_runs), "deviation": stdev(of_runs)}
            for n, of_runs in values.items()
        }

    return {
        stream: {direction: spread(stream, direction) for direction in DIRECTIONS}
        for stream in runs[0].streams
    }


@dataclass(frozen=True)
class Confusion:
    """Videos of one sentence for which another one has the highest score."""

    sentence: str
    taken_for: str
    num_videos: int
    of_videos: int
    """Videos of the sentence in all."""
    margin: float
    """Mean of how much higher the other sentence's score is."""


def most_confused(scores: SplitScores, stream: str, count: int) -> list[Confusion]:
    """Returns at most ``count`` pairs: those of most videos first, of equally many the clearest.

    A video whose own sentence shares the highest score is not confused.
    """
    gallery, ranks = scores.gallery, scores.ranks[stream]["video_to_text"]
    # Margins of the videos by (their sentence, the sentence with the highest score).
    margins: dict[tuple[int, int], list[float]] = defaultdict(list)
    for video in np.flatnonzero(ranks.num_better):
        own, other = int(gallery.text_of_video[video]), int(ranks.top_candidate[video])
        of_video = scores.scores[stream][video]
        margins[own, other].append(float(of_video[other] - of_video[own]))
    videos_of_text = np.bincount(gallery.text_of_video)
    confusions = [
        Confusion(
            gallery.sentences[own],
            gallery.sentences[other],
            len(values),
            int(videos_of_text[own]),
            fmean(values),
        )
        for (own, other), values in margins.items()
    ]
    return sorted(confusions, key=lambda c: (-c.num_videos, -c.margin))[:count]
