"""The retrieval scores that papers report on three data sets, and ours beside them.

Papers score the best epoch *on the test set*, and count ties as
:func:`~train.evaluation.ranks.published_ranks` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from seds_core.errors import UsageError
from train.evaluation import TieRule
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import Gallery
from train.evaluation.ranks import Direction

DataSet = Literal["phoenix-2014t", "csl-daily", "how2sign"]
"""Named as the pipelines and as the rules for hands are."""

COLUMNS: Mapping[str, tuple[Direction, int]] = {
    "T2V R@1": ("text_to_video", 1),
    "T2V R@5": ("text_to_video", 5),
    "T2V R@10": ("text_to_video", 10),
    "V2T R@1": ("video_to_text", 1),
}
"""What papers report, in percent; the columns of a comparison."""


@dataclass(frozen=True)
class PublishedSystem:
    """One system with its scores on the three test sets."""

    name: str
    source: str
    """The paper, with its arXiv number."""
    stream: str
    """Which of our streams does the same: ``fusion``, ``pose`` or ``rgb``; ``""`` for none."""
    scores: Mapping[DataSet, Mapping[str, float | None]]
    """Data set -> column -> percent; ``None`` where no paper tells it."""


@dataclass(frozen=True)
class PublishedTestSet:
    """Size of the test set that the published scores are on."""

    videos: int
    entries: int
    """Lines of the published caption files: the text queries."""


def _row(
    t2v_r1: float, v2t_r1: float, t2v_r5: float | None = None, t2v_r10: float | None = None
) -> Mapping[str, float | None]:
    return dict(zip(COLUMNS, (t2v_r1, t2v_r5, t2v_r10, v2t_r1), strict=True))


_CICO = "CiCo, CVPR 2023, arXiv 2303.12793"
_SEDS = "SEDS, ACM MM 2024, arXiv 2407.16394"
_C2RL = "C2RL, TCSVT 2025, arXiv 2408.09949"

PUBLISHED_SYSTEMS: tuple[PublishedSystem, ...] = (
    PublishedSystem("CiCo", _CICO, "", {
        "phoenix-2014t": _row(69.5, 70.2, 86.6, 92.1),
        "csl-daily": _row(75.3, 74.7, 88.2, 91.9),
        "how2sign": _row(56.6, 51.6, 69.9, 74.7),
    }),
    PublishedSystem("SEDS pose only", _SEDS, "pose", {
        "phoenix-2014t": _row(65.0, 65.3),
        "csl-daily": _row(80.5, 80.0),
        "how2sign": _row(55.9, 50.9),
    }),
    PublishedSystem("SEDS RGB only", _SEDS, "rgb", {
        "phoenix-2014t": _row(70.4, 70.1),
        "csl-daily": _row(75.4, 73.5),
        "how2sign": _row(54.3, 48.3),
    }),
    PublishedSystem("SEDS fusion (paper)", _SEDS, "fusion", {
        "phoenix-2014t": _row(76.8, 78.7, 91.7, 95.3),
        "csl-daily": _row(85.8, 85.4, 94.4, 95.6),
        "how2sign": _row(62.5, 57.9, 75.1, 80.1),
    }),
    PublishedSystem("SEDS released weights, re-run by others", f"weights of {_SEDS}", "", {
        "phoenix-2014t": _row(75.4, 76.3),
        "csl-daily": _row(84.5, 84.0),
        "how2sign": _row(61.7, 57.0),
    }),
    PublishedSystem("C2RL", _C2RL, "", {
        "phoenix-2014t": _row(78.7, 77.6),
        "csl-daily": _row(90.3, 88.4),
        "how2sign": _row(62.4, 57.5),
    }),
)  # fmt: skip
"""In the order of a table."""

TEST_SETS: Mapping[DataSet, PublishedTestSet] = {
    "phoenix-2014t": PublishedTestSet(videos=642, entries=642),
    "csl-daily": PublishedTestSet(videos=1_176, entries=798),
    "how2sign": PublishedTestSet(videos=2_342, entries=1_964),
}


def data_set_of(name: str, facts: Mapping[str, Any]) -> DataSet:
    """Returns the data set that a model was made for, by the rules for hands in its settings.

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


def compare_with_published(models: Sequence[EvaluatedModel], rule: TieRule) -> dict[str, Any]:
    """Published scores with their sources and ours beside them, as plain values.

    The models have the same gallery and the same streams; several are averaged.
    """
    data_set = data_set_of(models[0].name, models[0].facts)
    return {
        "data_set": data_set,
        "test_set": asdict(TEST_SETS[data_set]),
        "other_size": _other_size(models[0].scores.gallery, data_set) or None,
        "systems": [
            {"name": system.name, "source": system.source, "scores": system.scores[data_set]}
            for system in PUBLISHED_SYSTEMS
        ],
        "ties": rule,
        "num_runs": len(models),
        "ours": [
            _own_scores(models, stream, data_set, rule) for stream in models[0].scores.streams
        ],
    }


def _own_scores(
    models: Sequence[EvaluatedModel], stream: str, data_set: DataSet, rule: TieRule
) -> dict[str, Any]:
    """Our scores of one stream, beside those of the published system that has the same stream."""
    # Column -> R@k of every model in percent.
    runs = {
        column: [model.scores.metrics(stream, direction, rule).recall[k] for model in models]
        for column, (direction, k) in COLUMNS.items()
    }
    mean = {column: fmean(values) for column, values in runs.items()}
    # Every stream of ours has one published system.
    published = next(system for system in PUBLISHED_SYSTEMS if system.stream == stream)
    stage = models[0].facts["stage"]
    return {
        "stream": stream,
        "mean": mean,
        # With n - 1, as everywhere here.
        "deviation": {c: stdev(v) for c, v in runs.items()} if len(models) > 1 else None,
        "repeats": published.name,
        "difference": {
            column: None if theirs is None else mean[column] - theirs
            for column, theirs in published.scores[data_set].items()
        },
        "other_training": ""
        if stage == published.stream
        else f"{published.name} is a model trained for that stream alone, ours a part of a {stage} "
        f"run; its like is a run of --stage {published.stream}",
    }


def _other_size(gallery: Gallery, data_set: DataSet) -> str:
    """How our split differs in size from the published test set; empty where it does not."""
    published = TEST_SETS[data_set]
    videos, entries = len(gallery.video_ids), gallery.num_entries
    if (videos, entries) == (published.videos, published.entries):
        return ""
    return (
        f"the split '{gallery.split}' has {videos:,} videos of {entries:,} caption entries, the "
        f"published test set of {data_set} {published.videos:,} of {published.entries:,}: the "
        "scores are not of one task. An index tells entries apart in its column sentence_id"
    )
