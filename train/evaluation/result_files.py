"""Results for programs: all figures as JSON, the ranks of every query as CSV."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from train.evaluation.comparison import Comparison, by_column
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import (
    NUM_RESAMPLES,
    PERCENTILES,
    PUBLISHED_SYSTEMS,
    SEED,
    TEST_SETS,
    Gallery,
    RetrievalMetrics,
    SplitScores,
    measure,
)
from train.evaluation.ranks import DIRECTIONS, Direction, best_candidates
from train.evaluation.report import (
    StreamFigures,
    chance_figures,
    figures_of,
    most_confused,
    named_values,
    spread_of,
)
from train.evaluation.request import TieRule

NUM_CANDIDATES = 10
"""Candidates of each query that are kept with their scores."""

RANK_COLUMNS = (
    "model", "stream", "direction", "query",
    "optimistic_rank", "expected_rank", "pessimistic_rank", "best_correct", "top_candidate",
    "best_correct_score",
    *(f"{name}_{place + 1}" for place in range(NUM_CANDIDATES) for name in ("candidate", "score")),
)  # fmt: skip
OTHER_RULES: tuple[TieRule, ...] = ("optimistic", "expected", "pessimistic", "published")


def describe(model: EvaluatedModel, rule: TieRule) -> dict[str, Any]:
    """Everything about one model's scores as plain values; the published rule is told as well."""
    gallery = model.scores.gallery
    streams = figures_of(model.scores, rule)
    return {
        "model": model.name,
        **model.facts,
        "split": gallery.split,
        "counts": _counts(gallery),
        "ties": rule,
        "bootstrap": {"resamples": NUM_RESAMPLES, "seed": SEED, "percentiles": list(PERCENTILES)},
        "streams": {stream: _both_ways(model.scores, stream, streams) for stream in streams},
        "confused": [
            asdict(confusion)
            for confusion in most_confused(model.scores, model.facts["stage"], NUM_CANDIDATES)
        ],
        "chance": {
            direction: named_values(metrics)
            for direction, metrics in chance_figures(gallery).items()
        },
    }


def describe_spread(models: Sequence[EvaluatedModel], rule: TieRule) -> dict[str, Any]:
    """Mean and standard deviation of every figure over several models, as plain values."""
    spreads = spread_of([figures_of(model.scores, rule) for model in models])
    return {
        stream: {
            direction: {name: asdict(spread) for name, spread in values.items()}
            for direction, values in directions.items()
        }
        for stream, directions in spreads.items()
    }


def describe_comparison(comparison: Comparison) -> dict[str, Any]:
    """Published scores with their sources and ours beside them, as plain values."""
    data_set = comparison.data_set
    return {
        "data_set": data_set,
        "test_set": asdict(TEST_SETS[data_set]),
        "other_size": comparison.other_size or None,
        "systems": [
            {
                "name": system.name,
                "source": system.source,
                "scores": by_column(system.scores[data_set]),
            }
            for system in PUBLISHED_SYSTEMS
        ],
        "ties": comparison.rule,
        "num_runs": comparison.num_runs,
        "ours": [asdict(own) for own in comparison.own],
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes plain values, readable by eye; makes the folders."""
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
                    writer.writerows(_lines(model, stream, direction))


def _lines(model: EvaluatedModel, stream: str, direction: Direction) -> Iterator[tuple[Any, ...]]:
    ranks, gallery = model.scores.ranks[stream][direction], model.scores.gallery
    videos_and_texts = gallery.video_ids, gallery.sentences
    candidates, queries = (
        videos_and_texts if direction == "text_to_video" else videos_and_texts[::-1]
    )
    scores = model.scores.scores[stream]
    scores = scores.T if direction == "text_to_video" else scores
    places, values = best_candidates(scores, NUM_CANDIDATES)
    columns = zip(
        queries,
        ranks.optimistic.tolist(),
        ranks.expected.round(6).tolist(),
        ranks.pessimistic.tolist(),
        (candidates[place] for place in ranks.best_correct),
        (candidates[place] for place in ranks.top_candidate),
        scores[np.arange(len(scores)), ranks.best_correct].astype(float).round(6).tolist(),
        strict=True,
    )
    for number, first_columns in enumerate(columns):
        best = zip(places[number], values[number].astype(float).round(6).tolist(), strict=True)
        cells = [cell for place, value in best for cell in (candidates[place], value)]
        missing = [""] * (2 * NUM_CANDIDATES - len(cells))
        yield (model.name, stream, direction, *first_columns, *cells, *missing)


def _counts(gallery: Gallery) -> dict[str, int]:
    videos_of_text = np.bincount(gallery.text_of_video)
    return {
        "videos": len(gallery.video_ids),
        "sentences": len(gallery.sentences),
        "sentences_with_several_videos": int(np.count_nonzero(videos_of_text > 1)),
        "published_entries": int(gallery.entry_of_video.max()) + 1,
    }


def _both_ways(scores: SplitScores, stream: str, figures: StreamFigures) -> dict[str, Any]:
    return {
        direction: {
            **_values(figures[stream][direction].metrics),
            "intervals": {
                f"R@{k}": ends for k, ends in figures[stream][direction].intervals.items()
            },
            "queries_with_ties": int(
                np.count_nonzero(scores.ranks[stream][direction].num_tied_wrong)
            ),
            "by_rule": {
                rule: _values(measure(scores.settled(stream, direction, rule)))
                for rule in OTHER_RULES
            },
        }
        for direction in DIRECTIONS
    }


def _values(metrics: RetrievalMetrics) -> dict[str, float]:
    return named_values(metrics) | {
        "rank_deviation": metrics.rank_deviation,
        "num_ranks": metrics.num_ranks,
    }
