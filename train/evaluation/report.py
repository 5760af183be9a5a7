"""What ``seds-eval`` shows and keeps: tables, all values as JSON, every query's rank as CSV."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from seds_core.console import print_json, results, warn
from train.evaluation import Normalisation, TieRule
from train.evaluation.calibration import DENIED_AT, Certainty, certainty_of
from train.evaluation.hubness import NORMALISATIONS
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import (
    CUT_OFFS,
    NUM_RESAMPLES,
    PERCENTILES,
    SEED,
    Gallery,
    Metrics,
    SplitScores,
    chance_metrics,
    most_confused,
    spread_of,
)
from train.evaluation.published import COLUMNS, compare_with_published
from train.evaluation.ranks import DIRECTIONS, Direction, best_candidates

NUM_CANDIDATES = 10
"""Candidates of each query that are kept with their scores."""

RANK_COLUMNS = (
    "model", "stream", "direction", "query",
    "optimistic_rank", "expected_rank", "pessimistic_rank", "best_correct", "top_candidate",
    "best_correct_score",
    *(f"{name}_{n}" for n in range(1, NUM_CANDIDATES + 1) for name in ("candidate", "score")),
)  # fmt: skip
RULES: tuple[TieRule, ...] = ("optimistic", "expected", "pessimistic", "published")

SHORT: dict[Direction, str] = {"text_to_video": "T2V", "video_to_text": "V2T"}
WITHOUT_HUBS: dict[Normalisation, str] = {
    "mean": "mean off", "spread": "spread off", "query_bank": "QB-Norm",
}  # fmt: skip
CONFUSIONS_SHOWN = 5
INTERVAL_WIDTH = len("(100.0-100.0)")
"""A narrow terminal then puts an interval below its value, and cuts nothing off."""


def report(
    models: Sequence[EvaluatedModel],
    *,
    ties: TieRule = "expected",
    compare: bool = False,
    ranks: Path | None = None,
    as_json: bool = False,
) -> None:
    """Keeps the results of runs in ``RUN/evaluation/SPLIT/``, and shows those of all models.

    ``compare`` adds the scores of papers on the same data set, ``ranks`` is another file for the
    ranks of all queries, and ``as_json`` writes one JSON object in place of tables.
    """
    # Results of runs are kept with them, before anything is printed that might fail.
    for model in models:
        if model.folder is not None:
            kept = model.folder / "evaluation" / model.scores.gallery.split
            write_json(kept / "scores.json", describe(model, ties))
            write_ranks(kept / "ranks.csv", [model])
    if ranks is not None:
        write_ranks(ranks, models)

    comparison = compare_with_published(models, ties) if compare else None
    # Scores on a split of another size are no comparison of systems.
    if comparison and comparison["other_size"]:
        warn(escape(comparison["other_size"]))
    if as_json:
        spread = spread_of([m.scores for m in models], ties) if len(models) > 1 else None
        values = {"models": [describe(model, ties) for model in models], "spread": spread}
        published = {"published": comparison} if comparison else {}
        print_json(values | published)
        return
    tables = [
        table
        for model in models
        for table in (model_table(model, ties), certainty_table(model), confusion_table(model))
    ]
    tables.append(spread_table(models, ties) if len(models) > 1 else None)
    tables.append(comparison_table(comparison) if comparison else None)
    for table in filter(None, tables):
        results.print(table)


def describe(model: EvaluatedModel, ties: TieRule) -> dict[str, Any]:
    """Everything about one model's scores as plain values, under ``ties`` and by every rule."""
    scores, gallery = model.scores, model.scores.gallery

    def values_of(metrics: Metrics) -> dict[str, float]:
        deviation = {"rank_deviation": metrics.rank_deviation, "num_ranks": len(metrics.ranks)}
        return metrics.columns | deviation

    def describe_direction(stream: str, direction: Direction) -> dict[str, Any]:
        metrics = scores.metrics(stream, direction, ties)
        num_tied_wrong = scores.ranks[stream][direction].num_tied_wrong
        return {
            **values_of(metrics),
            "intervals": metrics.intervals(),
            "queries_with_ties": int(np.count_nonzero(num_tied_wrong)),
            "by_rule": {rule: values_of(scores.metrics(stream, direction, rule)) for rule in RULES},
            "normalised": {
                how: values_of(found) | {"intervals": found.intervals()}
                for how, found in normalised_metrics(scores, stream, direction, ties).items()
            },
        }

    return {
        "model": model.name,
        **model.facts,
        "split": gallery.split,
        "counts": {
            "videos": len(gallery.video_ids),
            "sentences": len(gallery.sentences),
            "sentences_with_several_videos": int(
                np.count_nonzero(np.bincount(gallery.text_of_video) > 1)
            ),
            "published_entries": gallery.num_entries,
        },
        "ties": ties,
        "bootstrap": {"resamples": NUM_RESAMPLES, "seed": SEED, "percentiles": list(PERCENTILES)},
        "streams": {
            stream: {direction: describe_direction(stream, direction) for direction in DIRECTIONS}
            for stream in scores.streams
        },
        # By the stage's own stream: the one that a model is used by.
        "confused": [
            asdict(confusion)
            for confusion in most_confused(scores, model.facts["stage"], NUM_CANDIDATES)
        ],
        "chance": {way: metrics.columns for way, metrics in chance_metrics(gallery).items()},
        "certainty": {direction: asdict(found) for direction, found in certainties(model).items()},
    }


def certainties(model: EvaluatedModel) -> dict[Direction, Certainty]:
    """Returns what the scores of the model's own stream say beyond the order of the answers."""
    found = {
        direction: certainty_of(
            model.scores, model.facts["stage"], direction, model.calibrations.get(direction)
        )
        for direction in DIRECTIONS
    }
    return {direction: values for direction, values in found.items() if values is not None}


def normalised_metrics(
    scores: SplitScores, stream: str, direction: Direction, ties: TieRule
) -> dict[Normalisation, Metrics]:
    """Metrics without hubs, by what was taken off; none where no bank was scored."""
    if stream not in scores.bank:
        return {}
    return {
        how: scores.normalised(how, direction).metrics(stream, direction, ties)
        for how in NORMALISATIONS
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes plain values, indented; makes the folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_ranks(path: Path, models: Sequence[EvaluatedModel]) -> None:
    """Writes one line a query, stream and model, with its best candidates; makes the folders.

    A candidate of text to video is a video, one of video to text a sentence. A split with fewer
    candidates leaves the last columns empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(RANK_COLUMNS)
        for model in models:
            for stream in model.scores.streams:
                for direction in DIRECTIONS:
                    writer.writerows(_rank_lines(model, stream, direction))


def _rank_lines(
    model: EvaluatedModel, stream: str, direction: Direction
) -> Iterator[tuple[Any, ...]]:
    ranks, gallery = model.scores.ranks[stream][direction], model.scores.gallery
    # Rows of ``scores`` are queries.
    candidates, queries = gallery.sentences, gallery.video_ids
    scores = model.scores.scores[stream]
    if direction == "text_to_video":
        candidates, queries, scores = queries, candidates, scores.T
    best, best_scores = best_candidates(scores, NUM_CANDIDATES)
    # Scores are written with six digits, as text is shorter than a float64.
    columns = zip(
        queries,
        ranks.optimistic.tolist(),
        ranks.expected.round(6).tolist(),
        ranks.pessimistic.tolist(),
        (candidates[index] for index in ranks.best_correct),
        (candidates[index] for index in ranks.top_candidate),
        scores[np.arange(len(scores)), ranks.best_correct].astype(float).round(6).tolist(),
        strict=True,
    )
    for row, first_columns in enumerate(columns):
        found = zip(best[row], best_scores[row].astype(float).round(6).tolist(), strict=True)
        cells = [cell for index, score in found for cell in (candidates[index], score)]
        missing = [""] * (2 * NUM_CANDIDATES - len(cells))
        yield (model.name, stream, direction, *first_columns, *cells, *missing)


def model_table(model: EvaluatedModel, ties: TieRule) -> Table:
    """R@k with 95 % intervals, median and mean rank of every stream, and what chance gives."""
    gallery = model.scores.gallery
    caption = f"R@k in percent, with 95 % bootstrap intervals over queries; ties: {ties}"
    table = _scores_table(escape(model.name), gallery, caption, min_width=INTERVAL_WIDTH)
    for stream in model.scores.streams:
        for direction in DIRECTIONS:
            plain = model.scores.metrics(stream, direction, ties)
            table.add_row(stream, SHORT[direction], *_cells(plain))
            normalised = normalised_metrics(model.scores, stream, direction, ties)
            for how, metrics in normalised.items():
                table.add_row(f" {WITHOUT_HUBS[how]}", SHORT[direction], *_cells(metrics))
        table.add_section()
    _add_chance(table, gallery)
    return table


def _cells(metrics: Metrics) -> list[str]:
    cells = {name: f"{value:.1f}" for name, value in metrics.columns.items()}
    for name, (low, high) in metrics.intervals().items():
        cells[name] += f" ({low:.1f}-{high:.1f})"
    return list(cells.values())


def certainty_table(model: EvaluatedModel) -> Table | None:
    """How well known queries are told from unknown ones; ``None`` for a single sentence."""
    found = certainties(model)
    if not found:
        return None
    has_probabilities = bool(model.calibrations)
    caption = (
        "AUROC: how often a query with an answer scores above one without (its own is taken out); "
        "0.5 is chance; 95 % bootstrap interval over queries"
    )
    if has_probabilities:
        caption += (
            ". ECE: mean distance of the probability of hits and the fraction that is right. Told "
            f'"nothing fits": of which it is at least {DENIED_AT:.0%} likely'
        )
    table = _left_titled_table(f"known or unknown ({model.facts['stage']})", caption)
    for column in ("task", "AUROC", *("ECE", "known told", "unknown told") * has_probabilities):
        table.add_column(column, justify="left" if column == "task" else "right")
    for direction, of_direction in found.items():
        known, held = of_direction.known, of_direction.reliability
        cells = [f"{known.auroc:.3f} ({known.interval[0]:.3f}-{known.interval[1]:.3f})"]
        if held is not None:
            denied = (held.known_denied, held.unknown_denied)
            cells += [f"{held.error:.3f}", *(f"{value:.0%}" for value in denied)]
        table.add_row(SHORT[direction], *cells)
    return table


def spread_table(models: Sequence[EvaluatedModel], ties: TieRule) -> Table:
    """Mean and standard deviation over several models, and what chance gives."""
    gallery = models[0].scores.gallery
    title = f"mean ± standard deviation of {len(models)} runs"
    table = _scores_table(title, gallery, "Deviation between the runs (n - 1); ties: " + ties)
    for stream, directions in spread_of([model.scores for model in models], ties).items():
        for direction, columns in directions.items():
            cells = (
                f"{value['mean']:.1f} ± {value['deviation']:.1f}" for value in columns.values()
            )
            table.add_row(stream, SHORT[direction], *cells)
        table.add_section()
    _add_chance(table, gallery)
    return table


def _scores_table(
    title: str, gallery: Gallery, caption: str, *, min_width: int | None = None
) -> Table:
    videos, sentences = len(gallery.video_ids), len(gallery.sentences)
    title += f": split {escape(gallery.split)}, {videos:,} videos of {sentences:,} sentences"
    table = _left_titled_table(title, caption)
    table.add_column("stream")
    table.add_column("task")
    for k in CUT_OFFS:
        table.add_column(f"R@{k}", justify="right", min_width=min_width)
    table.add_column("MedR", justify="right")
    table.add_column("MeanR", justify="right")
    return table


def _left_titled_table(title: str, caption: str) -> Table:
    return Table(title=title, caption=caption, title_justify="left", caption_justify="left")


def _add_chance(table: Table, gallery: Gallery) -> None:
    # More digits than elsewhere: R@1 of a thousand videos is 0.1.
    for direction, metrics in chance_metrics(gallery).items():
        cells = (f"{value:.3g}" for value in metrics.columns.values())
        table.add_row("chance", SHORT[direction], *cells, style="dim")


def confusion_table(model: EvaluatedModel) -> Table | None:
    """The sentences that videos are most often given wrongly; ``None`` where all are right."""
    stage = model.facts["stage"]
    confusions = most_confused(model.scores, stage, CONFUSIONS_SHOWN)
    if not confusions:
        return None
    table = _left_titled_table(
        f"most confused sentences ({stage}, V2T)",
        "margin: how much higher the wrong sentence scores than the right one",
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


def comparison_table(comparison: dict[str, Any]) -> Table:
    """Shows published scores, then ours by stream, each with its difference from the paper's.

    ``comparison`` is what :func:`~train.evaluation.published.compare_with_published` returns.
    """
    ties, num_runs = comparison["ties"], comparison["num_runs"]
    # What is not said in the columns: whose rule decides ties, how many runs, other training.
    repeat = "" if ties == "published" else "; --ties published repeats their rule"
    runs = "" if num_runs == 1 else f", mean ± deviation of {num_runs} runs"
    others = "".join(
        f". {own['other_training']}" for own in comparison["ours"] if own["other_training"]
    )
    table = _left_titled_table(
        f"published scores on {comparison['data_set']}, and ours",
        "Published: the epoch that is best on the test set itself, ties by the published rule. "
        f"Ours: the checkpoint that was named{runs}, ties: {ties}{repeat}{others}",
    )
    table.add_column("system")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for system in comparison["systems"]:
        scores = system["scores"]
        table.add_row(system["name"], *(_or_dash(scores[column], ".1f") for column in COLUMNS))
    for own in comparison["ours"]:
        table.add_section()
        cells = [f"{own['mean'][column]:.1f}" for column in COLUMNS]
        if own["deviation"]:
            deviations = (own["deviation"][column] for column in COLUMNS)
            cells = [f"{cell} ± {value:.1f}" for cell, value in zip(cells, deviations, strict=True)]
        table.add_row(f"ours, {own['stream']}", *cells)
        differences = (_or_dash(own["difference"][column], "+.1f") for column in COLUMNS)
        table.add_row(f"  minus {own['repeats']}, points", *differences, style="dim")
    return table


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
