"""For whom and for what a model works: its scores by signer, source, length and the like."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from extract.videos.part import PART_COLUMNS
from train.evaluation import TieRule
from train.evaluation.metrics import Metrics, SplitScores, bootstrap_intervals
from train.evaluation.ranks import Direction
from train.evaluation.scoring import ENTRY_COLUMN
from train.text.pieces import word_spans

FEWEST, MOST = 2, 12
"""Different values that a column may have to be a breakdown."""

_NO_GROUPS = frozenset({*PART_COLUMNS, ENTRY_COLUMN})
NO_VALUE = "(none)"


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video beside its tokens."""

    video_id: str
    text: str
    columns: dict[str, str]
    """Further columns of the data set's index."""
    duration: float
    """Seconds."""
    num_clips: int | None
    """Where the stores decide the clips."""


@dataclass(frozen=True)
class Group:
    """Some videos of the split, and how well they and their sentences are found."""

    name: str
    num_videos: int
    num_sentences: int
    """Sentences all of whose videos are in the group: these are its text queries."""
    recall: dict[Direction, float | None]
    """R@1 in percent; ``None`` without queries."""
    intervals: dict[Direction, tuple[float, float] | None]


@dataclass(frozen=True)
class Breakdown:
    """The groups of one column or measure, in the order of a table."""

    name: str
    groups: tuple[Group, ...]


def breakdowns(
    scores: SplitScores, stream: str, videos: Sequence[VideoFacts], ties: TieRule
) -> Iterator[Breakdown]:
    """Yields the columns of the index with few values, then lengths in thirds.

    ``videos`` are those of the gallery, in its order. Under the published rule for ties, which
    repeats queries, ranks are the expected ones.
    """
    assert [video.video_id for video in videos] == list(scores.gallery.video_ids)
    rule: TieRule = "expected" if ties == "published" else ties
    metrics: dict[Direction, Metrics] = {
        "text_to_video": scores.metrics(stream, "text_to_video", rule),
        "video_to_text": scores.metrics(stream, "video_to_text", rule),
    }

    def broken_down(name: str, labels: Sequence[str], order: Sequence[str]) -> Breakdown:
        held = np.array(labels)
        groups = (_group(label, held == label, metrics, scores) for label in order)
        return Breakdown(name, tuple(groups))

    for name in dict.fromkeys(name for video in videos for name in video.columns):
        labels = [video.columns.get(name) or NO_VALUE for video in videos]
        if name not in _NO_GROUPS and FEWEST <= len(set(labels)) <= MOST:
            yield broken_down(name, labels, sorted(set(labels)))
    for measure in MEASURES:
        values = [measure.of(video) for video in videos]
        known = [value for value in values if value is not None]
        if len(known) == len(values) and (labels := thirds(known, measure.form)):
            order = [label for _, label in sorted(dict(zip(known, labels, strict=True)).items())]
            yield broken_down(measure.name, labels, list(dict.fromkeys(order)))


@dataclass(frozen=True)
class Measure:
    """A length of videos or sentences."""

    name: str
    of: Callable[[VideoFacts], float | None]
    form: str


def _num_words(video: VideoFacts) -> float:
    return float(sum(1 for _ in word_spans(video.text)))


MEASURES = (
    Measure("seconds of the video", lambda video: video.duration, ".2f"),
    Measure(
        "clips",
        lambda video: None if video.num_clips is None else float(video.num_clips),
        ".0f",
    ),
    Measure("words of the sentence", _num_words, ".0f"),
)


def thirds(values: Sequence[float], form: str) -> list[str]:
    """Names the third that each value is in; empty where the values do not differ enough.

    Equal values are in one third, and so the thirds need not be of one size.

    >>> thirds([1.0, 2.0, 3.0, 9.0, 9.0, 9.0], ".0f")
    ['1 to 2', '1 to 2', '3 to 9', '3 to 9', '3 to 9', '3 to 9']
    """
    edges = np.quantile(values, [1 / 3, 2 / 3])
    numbers = np.searchsorted(edges, values, side="left")
    if len(np.unique(numbers)) < FEWEST:
        return []
    names = {}
    for number in np.unique(numbers).tolist():
        inside = [v for v, n in zip(values, numbers.tolist(), strict=True) if n == number]
        low, high = (format(end, form) for end in (min(inside), max(inside)))
        names[number] = low if low == high else f"{low} to {high}"
    return [names[number] for number in numbers.tolist()]


def _group(
    name: str,
    is_in: Bool[np.ndarray, " video"],
    metrics: dict[Direction, Metrics],
    scores: SplitScores,
) -> Group:
    texts = _own_texts(is_in, scores.gallery.text_of_video)
    queries: dict[Direction, Int64[np.ndarray, " _"]] = {
        "text_to_video": texts,
        "video_to_text": np.flatnonzero(is_in),
    }
    recall: dict[Direction, float | None] = {}
    intervals: dict[Direction, tuple[float, float] | None] = {}
    for direction, of_group in queries.items():
        hits = metrics[direction].hits[1][of_group]
        recall[direction] = 100 * float(hits.mean()) if len(hits) else None
        intervals[direction] = bootstrap_intervals({1: hits})[1] if len(hits) else None
    return Group(name, int(is_in.sum()), len(texts), recall, intervals)


def _own_texts(
    is_in: Bool[np.ndarray, " video"], text_of_video: Int64[np.ndarray, " video"]
) -> Int64[np.ndarray, " _"]:
    """Sentences that only videos of the group have: others are no query of one group."""
    num_inside = np.bincount(text_of_video[is_in], minlength=int(text_of_video.max()) + 1)
    return np.flatnonzero((num_inside > 0) & (num_inside == np.bincount(text_of_video)))
