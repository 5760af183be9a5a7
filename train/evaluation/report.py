"""Scores as tables for people, and as figures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from rich.markup import escape
from rich.table import Table

from train.evaluation.comparison import COLUMNS, Comparison, OwnScores, by_column
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import (
    CUT_OFFS,
    PUBLISHED_SYSTEMS,
    SEED,
    Gallery,
    RetrievalMetrics,
    SplitScores,
    bootstrap_intervals,
    measure,
    settle,
)
from train.evaluation.ranks import DIRECTIONS, Direction, chance_ranks
from train.evaluation.request import TieRule


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
    """At most ``count`` pairs: those of most videos first, of equally many the clearest.

    A video whose own sentence shares the highest score is not confused.
    """
    gallery, ranks = scores.gallery, scores.ranks[stream]["video_to_text"]
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


SHORT: dict[Direction, str] = {"text_to_video": "T2V", "video_to_text": "V2T"}
CONFUSIONS_SHOWN = 5
INTERVAL_WIDTH = len("(100.0-100.0)")
"""So that a narrow terminal puts an interval below its value, and cuts nothing off."""


def model_table(model: EvaluatedModel, rule: TieRule) -> Table:
    """R@k with 95 % intervals, median and mean rank of every stream, and what chance gives."""
    gallery = model.scores.gallery
    table = _table(f"{escape(model.name)}: {_described(gallery)}", _footnote(rule), INTERVAL_WIDTH)
    for stream, directions in figures_of(model.scores, rule).items():
        for direction in DIRECTIONS:
            table.add_row(stream, SHORT[direction], *_with_intervals(directions[direction]))
        table.add_section()
    for direction, metrics in chance_figures(gallery).items():
        table.add_row("chance", SHORT[direction], *_plain(metrics), style="dim")
    return table


def confusion_table(model: EvaluatedModel) -> Table | None:
    """The sentences that videos are most often given wrongly; ``None`` where all are right."""
    stage = model.facts["stage"]
    confusions = most_confused(model.scores, stage, CONFUSIONS_SHOWN)
    if not confusions:
        return None
    table = Table(
        title=f"most confused sentences ({stage}, V2T)",
        caption="margin: how much higher the wrong sentence scores than the right one",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("sentence", "taken for"):
        table.add_column(column)
    for column in ("videos", "margin"):
        table.add_column(column, justify="right")
    for confusion in confusions:
        videos = f"{confusion.num_videos:,} of {confusion.of_videos:,}"
        texts = (escape(confusion.sentence), escape(confusion.taken_for))
        table.add_row(*texts, videos, f"{confusion.margin:.3f}")
    return table


def spread_table(models: Sequence[EvaluatedModel], rule: TieRule) -> Table:
    """Mean and standard deviation over several models, and what chance gives."""
    gallery = models[0].scores.gallery
    title = f"mean ± standard deviation of {len(models)} runs: {_described(gallery)}"
    table = _table(title, "Deviation between the runs (n - 1); ties: " + rule, None)
    runs: list[StreamFigures] = [figures_of(model.scores, rule) for model in models]
    for stream, directions in spread_of(runs).items():
        for direction in DIRECTIONS:
            spreads = directions[direction].values()
            cells = (f"{spread.mean:.1f} ± {spread.deviation:.1f}" for spread in spreads)
            table.add_row(stream, SHORT[direction], *cells)
        table.add_section()
    for direction, metrics in chance_figures(gallery).items():
        table.add_row("chance", SHORT[direction], *_plain(metrics), style="dim")
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Published scores, then ours by stream, each with its difference from the paper's."""
    table = Table(
        title=f"published scores on {comparison.data_set}, and ours",
        caption=_comparison_footnote(comparison),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("system")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for system in PUBLISHED_SYSTEMS:
        scores = by_column(system.scores[comparison.data_set])
        table.add_row(system.name, *(_or_dash(scores[column], ".1f") for column in COLUMNS))
    for own in comparison.own:
        table.add_section()
        table.add_row(f"ours, {own.stream}", *(_own_cell(own, column) for column in COLUMNS))
        differences = (_or_dash(own.difference[column], "+.1f") for column in COLUMNS)
        table.add_row(f"  minus {own.repeats}, points", *differences, style="dim")
    return table


def _comparison_footnote(comparison: Comparison) -> str:
    repeat = "" if comparison.rule == "published" else "; --ties published repeats their rule"
    runs = "" if comparison.num_runs == 1 else f", mean ± deviation of {comparison.num_runs} runs"
    others = "".join(f". {own.other_training}" for own in comparison.own if own.other_training)
    return (
        "Published: the epoch that is best on the test set itself, ties by the published rule. "
        f"Ours: the checkpoint that was named{runs}, ties: {comparison.rule}{repeat}{others}"
    )


def _own_cell(own: OwnScores, column: str) -> str:
    deviation = "" if own.deviation is None else f" ± {own.deviation[column]:.1f}"
    return f"{own.mean[column]:.1f}{deviation}"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _table(title: str, caption: str, recall_width: int | None) -> Table:
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    table.add_column("stream")
    table.add_column("task")
    for k in CUT_OFFS:
        table.add_column(f"R@{k}", justify="right", min_width=recall_width)
    table.add_column("MedR", justify="right")
    table.add_column("MeanR", justify="right")
    return table


def _described(gallery: Gallery) -> str:
    videos, sentences = len(gallery.video_ids), len(gallery.sentences)
    return f"split {escape(gallery.split)}, {videos:,} videos of {sentences:,} sentences"


def _footnote(rule: TieRule) -> str:
    return f"R@k in percent, with 95 % bootstrap intervals over queries; ties: {rule}"


def _with_intervals(figures: Figures) -> list[str]:
    intervals = {f"R@{k}": ends for k, ends in figures.intervals.items()}
    cells = []
    for name, value in named_values(figures.metrics).items():
        low, high = intervals.get(name, (None, None))
        cells.append(f"{value:.1f}" if low is None else f"{value:.1f} ({low:.1f}-{high:.1f})")
    return cells


def _plain(metrics: RetrievalMetrics) -> list[str]:
    """Chance needs more digits than one: R@1 of a thousand videos is 0.1."""
    return [f"{value:.3g}" for value in named_values(metrics).values()]
