"""What a sweep has found: recipes by their hits, which one validation selects, and differences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from train.evaluation.kept_hits import KeptHits, hit_table
from train.evaluation.metrics import (
    CUT_OFFS,
    NUM_RESAMPLES,
    PERCENTILES,
    SEED,
    build_gallery,
    chance_metrics,
)
from train.evaluation.paired import (
    NUM_PERMUTATIONS,
    TASKS,
    Estimate,
    HitTable,
    Task,
    crossed_bootstrap,
    holm,
    p_seeds,
    p_sentences,
)
from train.sweep.plan import SweepPlan, changed_names

SELECTED_BY: Task = "mean"
"""R@1 of both directions: what also selects a run's best epoch."""


@dataclass(frozen=True)
class RecipeScores:
    """One row: a recipe on a split, over its runs."""

    recipe: str
    seeds: tuple[int, ...]
    recalls: dict[str, dict[int, dict[Task, list[float]]]]
    """Stream -> ``k`` -> task -> recall of each run in percent."""
    estimates: dict[int, dict[Task, Estimate]]
    """``k`` -> task -> mean and interval, of the stage's own stream."""


@dataclass(frozen=True)
class Difference:
    """A recipe less the baseline: points of R@1, over runs of equal seed and equal sentences."""

    recipe: str
    estimates: dict[Task, Estimate]
    p_sentences: dict[Task, float]
    p_sentences_holm: dict[Task, float]
    """Corrected for the number of recipes that are compared on the split."""
    p_seeds: dict[Task, float]


@dataclass(frozen=True)
class SplitComparison:
    """All recipes that have been scored on a split with every seed."""

    split: str
    num_videos: int
    num_sentences: int
    rows: tuple[RecipeScores, ...]
    differences: tuple[Difference, ...]
    """From the baseline; none where that has no scores."""
    chance: dict[Task, float]
    """R@1 of random order, in percent."""


@dataclass(frozen=True)
class SweepResult:
    """Everything that the report says."""

    plan: SweepPlan
    validation: SplitComparison | None
    """``None`` where no recipe has finished all of its runs."""
    selected: str | None
    """The recipe of the best mean validation score; of equal ones the first."""
    test: SplitComparison | None
    failed: dict[str, str]
    """Run -> why it failed at the last start."""

    def as_values(self) -> dict[str, Any]:
        """Returns plain values for the JSON report."""
        plan = self.plan
        base = plan.recipes[plan.baseline].model_dump(mode="json")
        return {
            "sweep": plan.title,
            "stage": plan.settings.stage,
            "seeds": list(plan.settings.seeds),
            "baseline": plan.baseline,
            "selected": self.selected,
            "bootstrap": {"resamples": NUM_RESAMPLES, "seed": SEED, "percentiles": PERCENTILES},
            "permutations": NUM_PERMUTATIONS,
            "recipes": {
                name: {
                    "changes": values_at(
                        settings.model_dump(mode="json"),
                        changed_names(base, settings.model_dump(mode="json")),
                    ),
                    "finished_seeds": [run.seed for run in plan.runs_of(name) if run.is_finished],
                }
                for name, settings in plan.recipes.items()
            },
            "validation": None if self.validation is None else asdict(self.validation),
            "test": None if self.test is None else asdict(self.test),
            "failed": self.failed,
        }


def values_at(tree: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Returns the values of nested settings at dotted names.

    >>> values_at({"a": {"b": 1, "c": 2}}, ["a.c"])
    {'a.c': 2}
    """
    found = {}
    for name in names:
        value: Any = tree
        for part in name.split("."):
            value = value[part]
        found[name] = value
    return found


def compare(plan: SweepPlan, split: str) -> SplitComparison | None:
    """Compares the recipes whose runs have all been scored on a split; ``None`` without any.

    A recipe some of whose runs have failed is left out: the mean of its luckier seeds would stand
    beside means of all.
    """
    kept = {
        recipe: [KeptHits.read(run.hits(split)) for run in plan.runs_of(recipe)]
        for recipe in plan.recipes
        if all(run.hits(split).exists() for run in plan.runs_of(recipe))
    }
    if not kept:
        return None
    stream, seeds = plan.settings.stage, plan.settings.seeds
    tables = {recipe: hit_table(runs, stream) for recipe, runs in kept.items()}
    rows = []
    for recipe, runs in kept.items():
        recalls = {
            of: {k: hit_table(runs, of, k).recalls() for k in CUT_OFFS} for of in runs[0].streams
        }
        estimates = {k: crossed_bootstrap(hit_table(runs, stream, k)) for k in CUT_OFFS}
        rows.append(RecipeScores(recipe, seeds, recalls, estimates))
    first = next(iter(kept.values()))[0]
    texts = [first.sentences[text] for text in first.text_of_video]
    chance = [
        metrics.recall[1]
        for metrics in chance_metrics(build_gallery(split, first.video_ids, texts)).values()
    ]
    return SplitComparison(
        split=split,
        num_videos=len(first.video_ids),
        num_sentences=len(first.sentences),
        rows=tuple(rows),
        differences=differences(tables, plan.baseline),
        chance=dict(zip(TASKS, (*chance, float(np.mean(chance))), strict=True)),
    )


def differences(tables: Mapping[str, HitTable], baseline: str) -> tuple[Difference, ...]:
    """Compares every recipe with the baseline; nothing where that is not among them."""
    if baseline not in tables:
        return ()
    apart = {
        recipe: table.minus(tables[baseline])
        for recipe, table in tables.items()
        if recipe != baseline
    }
    of_sentences = {recipe: p_sentences(difference) for recipe, difference in apart.items()}
    corrected = {task: holm([p[task] for p in of_sentences.values()]) for task in TASKS}
    return tuple(
        Difference(
            recipe=recipe,
            estimates=crossed_bootstrap(difference),
            p_sentences=of_sentences[recipe],
            p_sentences_holm={task: corrected[task][place] for task in TASKS},
            p_seeds=p_seeds(difference),
        )
        for place, (recipe, difference) in enumerate(apart.items())
    )


def select(validation: SplitComparison | None) -> str | None:
    """Returns the recipe of the best mean validation score; of equal ones the first."""
    if validation is None:
        return None
    # max returns the first of equal ones.
    return max(validation.rows, key=lambda row: row.estimates[1][SELECTED_BY].mean).recipe
