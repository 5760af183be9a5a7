"""Recall at k, median and mean rank, with confidence intervals, beside the published ones."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64

from train.data.loading import sign_batches
from train.data.retrieval_data import RetrievalData, SplitVideos
from train.data.sign_reader import usable_batches
from train.evaluation.ranks import DIRECTIONS, Direction, Ranks, published_ranks, rank_both_ways
from train.evaluation.request import TieRule
from train.evaluation.scoring import encode_sentences, encode_videos, score_streams
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.tokenizer import Tokenizer

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
    """Ranks of :func:`~train.evaluation.ranks.published_ranks`, as the release averages
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


# FROM train/evaluation/confidence.py
# Bootstrap confidence intervals of R@k.
#
# Queries are drawn again, with replacement: sentences for text to video, videos for video to text.
# The interval says how far R@k would move with other queries of the same kind against the same
# candidates (percentile method, 95 %). It does *not* cover what another training seed changes (run
# several), other candidates or a larger gallery, the choice of the checkpoint, or that queries of one
# signer or one sentence resemble each other: it is too narrow where they do. Where all queries hit,
# or none does, it has no width at all, which is no certainty.


NUM_RESAMPLES = 2000
SEED = 0
PERCENTILES = (2.5, 97.5)

DRAWS_AT_ONCE = 2**21
"""Queries drawn together: a bound on memory that has no influence on the result."""


def bootstrap_intervals(
    hits: dict[int, Float[np.ndarray, " query"]], *, seed: int = SEED
) -> dict[int, tuple[float, float]]:
    """``k`` -> lower and upper end of R@k's interval in percent; all ``k`` see the same draws."""
    columns = list(hits.values())
    num_queries = len(columns[0])
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
    """Each video's sentence, as its place in ``sentences``."""
    entry_of_video: Int64[np.ndarray, " video"]
    """Each video's entry of a published caption file; its sentence where none is known."""


def build_gallery(
    split: str,
    video_ids: Sequence[str],
    texts: Sequence[str],
    entries: Sequence[str] | None = None,
) -> Gallery:
    """The gallery of videos and their sentences, one each.

    ``entries`` tells which videos the release of SEDS counts as one query: of one sentence, but not
    always all of them.
    """
    text_of_video = _places(texts)
    return Gallery(
        split,
        tuple(video_ids),
        tuple(dict.fromkeys(texts)),
        text_of_video,
        text_of_video if entries is None else _places(list(zip(entries, texts, strict=True))),
    )


def _places(values: Sequence[object]) -> Int64[np.ndarray, " video"]:
    """Each value's place among the different ones, in the order in which they come."""
    place = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([place[value] for value in values], np.int64)


# FROM train/evaluation/published_scores.py
# The retrieval scores that papers report on the three data sets, with their sources.
#
# Papers score the best epoch *on the test set*, and count ties as
# :mod:`train.evaluation.ranks` does.


DataSet = Literal["phoenix-2014t", "csl-daily", "how2sign"]
"""Named as the pipelines and as the rules for hands are."""


@dataclass(frozen=True)
class Scores:
    """R@k in percent; ``None`` where no paper tells it."""

    t2v_r1: float
    v2t_r1: float
    t2v_r5: float | None = None
    t2v_r10: float | None = None


@dataclass(frozen=True)
class PublishedSystem:
    """One system with its scores on the three test sets."""

    name: str
    source: str
    """The paper, with its arXiv number."""
    stream: str
    """Which of our streams does the same: ``fusion``, ``pose`` or ``rgb``; ``""`` for none."""
    scores: Mapping[DataSet, Scores]


@dataclass(frozen=True)
class PublishedTestSet:
    """Size of the test set that the published scores are on."""

    videos: int
    entries: int
    """Lines of the published caption files: the text queries."""


_CICO = "CiCo, CVPR 2023, arXiv 2303.12793"
_SEDS = "SEDS, ACM MM 2024, arXiv 2407.16394"
_C2RL = "C2RL, TCSVT 2025, arXiv 2408.09949"

PUBLISHED_SYSTEMS: tuple[PublishedSystem, ...] = (
    PublishedSystem("CiCo", _CICO, "", {
        "phoenix-2014t": Scores(69.5, 70.2, 86.6, 92.1),
        "csl-daily": Scores(75.3, 74.7, 88.2, 91.9),
        "how2sign": Scores(56.6, 51.6, 69.9, 74.7),
    }),
    PublishedSystem("SEDS pose only", _SEDS, "pose", {
        "phoenix-2014t": Scores(65.0, 65.3),
        "csl-daily": Scores(80.5, 80.0),
        "how2sign": Scores(55.9, 50.9),
    }),
    PublishedSystem("SEDS RGB only", _SEDS, "rgb", {
        "phoenix-2014t": Scores(70.4, 70.1),
        "csl-daily": Scores(75.4, 73.5),
        "how2sign": Scores(54.3, 48.3),
    }),
    PublishedSystem("SEDS fusion (paper)", _SEDS, "fusion", {
        "phoenix-2014t": Scores(76.8, 78.7, 91.7, 95.3),
        "csl-daily": Scores(85.8, 85.4, 94.4, 95.6),
        "how2sign": Scores(62.5, 57.9, 75.1, 80.1),
    }),
    PublishedSystem("SEDS released weights, re-run by others", f"weights of {_SEDS}", "", {
        "phoenix-2014t": Scores(75.4, 76.3),
        "csl-daily": Scores(84.5, 84.0),
        "how2sign": Scores(61.7, 57.0),
    }),
    PublishedSystem("C2RL", _C2RL, "", {
        "phoenix-2014t": Scores(78.7, 77.6),
        "csl-daily": Scores(90.3, 88.4),
        "how2sign": Scores(62.4, 57.5),
    }),
)  # fmt: skip
"""In the order of a table."""

TEST_SETS: Mapping[DataSet, PublishedTestSet] = {
    "phoenix-2014t": PublishedTestSet(videos=642, entries=642),
    "csl-daily": PublishedTestSet(videos=1_176, entries=798),
    "how2sign": PublishedTestSet(videos=2_342, entries=1_964),
}
"""The published test sets."""


@dataclass(frozen=True)
class SplitScores:
    """Scores by stream: ``fusion``, ``pose``, ``rgb``, as many as the model has."""

    gallery: Gallery
    scores: dict[str, Float[np.ndarray, "video text"]]
    """Stream -> scores; rows are videos, columns sentences, in the gallery's order."""

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
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

    def settled(self, stream: str, direction: Direction, rule: TieRule) -> SettledRanks:
        """Ranks of a stream and direction, with ties decided by a rule."""
        ranks = self.ranks[stream][direction]
        if rule != "published":
            return settle(ranks, rule)
        gallery = self.gallery
        counted = published_ranks(
            self.scores[stream], gallery.text_of_video, gallery.entry_of_video
        )
        return settle_published(counted[direction], direction)

    def mean_r1(self, stream: str) -> float:
        """Mean of R@1 of both directions, in percent; ties count by their expectation."""
        recalls = (
            measure(self.settled(stream, direction, "expected")).recall[1]
            for direction in DIRECTIONS
        )
        return sum(recalls) / len(DIRECTIONS)


ENTRY_COLUMN = "sentence_id"
"""Column of an index that tells which videos a published caption file puts together."""


def evaluate_split(
    model: RetrievalModel,
    data: RetrievalData,
    split: str,
    tokenizer: Tokenizer,
    *,
    settings: TrainSettings,
    device: torch.device,
    workers: int = 0,
) -> SplitScores:
    """Scores of all pairs of a split; the model, already on the device, trains on as before.

    Raises ``SplitError`` for a split without usable videos, and ``UnusableVideosError`` for videos
    whose stored numbers are not finite.
    """
    videos = data.split(split)
    gallery = gallery_of(split, videos)
    batch_size, precision = settings.evaluation.batch_size, settings.evaluation.precision
    with closing(
        sign_batches(data, videos, batch_size, workers, pin_memory=device.type == "cuda")
    ) as batches:
        usable = usable_batches(batches, [video.video_id for video in videos])
        signs = encode_videos(model, usable, len(videos), device=device, precision=precision)
        text = encode_sentences(
            model, tokenizer, gallery.sentences, batch_size, device=device, precision=precision
        )
        scores = score_streams(signs, text, settings.similarity, device=device)
    return SplitScores(gallery, scores)


def gallery_of(split: str, videos: SplitVideos) -> Gallery:
    """The videos of a split with their sentences."""
    entries = [video.other.get(ENTRY_COLUMN) or video.text for video in videos]
    return build_gallery(
        split, [video.video_id for video in videos], [video.text for video in videos], entries
    )
