"""Our scores beside those of papers on the same data set, and how far they are apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from seds_core.errors import UsageError
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import (
    PUBLISHED_SYSTEMS,
    TEST_SETS,
    DataSet,
    Gallery,
    PublishedSystem,
    Scores,
    measure,
)
from train.evaluation.ranks import Direction
from train.evaluation.request import TieRule

_COLUMNS: Mapping[str, tuple[Direction, int]] = {
    "T2V R@1": ("text_to_video", 1),
    "T2V R@5": ("text_to_video", 5),
    "T2V R@10": ("text_to_video", 10),
    "V2T R@1": ("video_to_text", 1),
}
COLUMNS = tuple(_COLUMNS)
"""What papers report, in percent; the columns of a comparison."""


@dataclass(frozen=True)
class OwnScores:
    """One of our streams, over all the runs that were evaluated."""

    stream: str
    mean: dict[str, float]
    """Column -> percent."""
    deviation: dict[str, float] | None
    """Standard deviation of the runs (with n - 1); ``None`` for a single one."""
    repeats: str
    """The published system that has the same stream."""
    difference: dict[str, float | None]
    """Column -> ours minus the paper's, in points; ``None`` where the paper tells no score."""
    other_training: str
    """Why the paper's stream was trained otherwise than ours; empty where it was not."""


@dataclass(frozen=True)
class Comparison:
    """Everything that a table of published and own scores shows."""

    data_set: DataSet
    rule: TieRule
    """How ties of our scores were decided."""
    num_runs: int
    own: tuple[OwnScores, ...]
    other_size: str
    """How our split differs in size from the published test set; empty where it does not."""


def data_set_of(name: str, facts: Mapping[str, Any]) -> DataSet:
    """The data set that a model was made for, by the rules for hands in its settings.

    ``facts`` are those of an ``EvaluatedModel``. Raises ``UsageError`` for a data set without
    published scores.
    """
    rules = facts["settings"]["keypoints"]["rules"]
    for data_set in TEST_SETS:
        if data_set == rules:
            return data_set
    raise UsageError(
        f"there are published scores on {', '.join(TEST_SETS)}; {name} is made for none of them: "
        f"its pipeline has keypoints.rules '{rules}'. Leave out --compare"
    )


def compare_with_published(models: Sequence[EvaluatedModel], rule: TieRule) -> Comparison:
    """The comparison of models that have the same gallery and the same streams."""
    data_set = data_set_of(models[0].name, models[0].facts)
    scores = models[0].scores
    return Comparison(
        data_set=data_set,
        rule=rule,
        num_runs=len(models),
        own=tuple(_own_scores(models, stream, data_set, rule) for stream in scores.streams),
        other_size=_other_size(scores.gallery, data_set),
    )


def by_column(scores: Scores) -> dict[str, float | None]:
    """Published scores as the cells of a row."""
    cells = (scores.t2v_r1, scores.t2v_r5, scores.t2v_r10, scores.v2t_r1)
    return dict(zip(COLUMNS, cells, strict=True))


def _own_scores(
    models: Sequence[EvaluatedModel], stream: str, data_set: DataSet, rule: TieRule
) -> OwnScores:
    runs = [_recall(model, stream, rule) for model in models]
    mean = {column: fmean(run[column] for run in runs) for column in COLUMNS}
    published = _system_of(stream)
    theirs = by_column(published.scores[data_set])
    return OwnScores(
        stream=stream,
        mean=mean,
        deviation=_deviation(runs) if len(runs) > 1 else None,
        repeats=published.name,
        difference={
            column: None if their is None else mean[column] - their
            for column, their in theirs.items()
        },
        other_training=_other_training(models[0].facts["stage"], published),
    )


def _other_training(stage: str, published: PublishedSystem) -> str:
    if stage == published.stream:
        return ""
    return (
        f"{published.name} is a model trained for that stream alone, ours a part of a {stage} run; "
        f"its like is a run of --stage {published.stream}"
    )


def _recall(model: EvaluatedModel, stream: str, rule: TieRule) -> dict[str, float]:
    """Column -> R@k of one model, in percent."""
    directions = {direction for direction, _ in _COLUMNS.values()}
    metrics = {
        direction: measure(model.scores.settled(stream, direction, rule))
        for direction in directions
    }
    return {column: metrics[direction].recall[k] for column, (direction, k) in _COLUMNS.items()}


def _deviation(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {column: stdev(run[column] for run in runs) for column in COLUMNS}


def _system_of(stream: str) -> PublishedSystem:
    return next(system for system in PUBLISHED_SYSTEMS if system.stream == stream)


def _other_size(gallery: Gallery, data_set: DataSet) -> str:
    published = TEST_SETS[data_set]
    videos, entries = len(gallery.video_ids), int(gallery.entry_of_video.max()) + 1
    if (videos, entries) == (published.videos, published.entries):
        return ""
    return (
        f"the split '{gallery.split}' has {videos:,} videos of {entries:,} caption entries, the "
        f"published test set of {data_set} {published.videos:,} of {published.entries:,}: the "
        "scores are not of one task. An index tells entries apart in its column sentence_id"
    )
