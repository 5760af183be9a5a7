"""The report of a sweep, in Markdown and JSON: the same to the byte from the same runs."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from seds_core.console import results
from seds_core.files import write_whole
from train.evaluation.metrics import NUM_RESAMPLES
from train.evaluation.paired import TASKS, Estimate
from train.sweep.comparison import Difference, SplitComparison, SweepResult, values_at
from train.sweep.plan import changed_names

NOTES = f"""\
Means over seeds; in brackets 95 % intervals over seeds and sentences together ({NUM_RESAMPLES:,}
resamples, a sentence with all its videos). Two or three seeds cannot tell how far another would
lie. Differences are paired by seed and by sentence. *p, sentences*: the same models, other
sentences (Fisher's randomisation test; Holm's correction for the number of recipes in brackets).
*p, seeds*: other trainings, the same sentences; {{seeds}} seeds reach {{least:.2g}} at best. A
claim about both needs both to be small.
"""


def write_report(result: SweepResult, out: Path) -> tuple[Path, Path]:
    """Writes or replaces ``report.md`` and ``report.json``; returns their paths."""
    markdown, values = out / "report.md", out / "report.json"
    write_whole(markdown, "\n".join(_markdown(result)).encode())
    text = json.dumps(result.as_values(), indent=2, ensure_ascii=False)
    write_whole(values, f"{text}\n".encode())
    return markdown, values


def print_tables(result: SweepResult) -> None:
    """Prints the tables of scores and of differences."""
    for comparison in (result.validation, result.test):
        if comparison is None:
            continue
        for title, rows in (
            (_headline(comparison), score_rows(comparison, result.selected)),
            (
                f"differences from {result.plan.baseline}, R@1",
                difference_rows(comparison.differences),
            ),
        ):
            header, *cells = rows
            if not cells:
                continue
            table = Table(title=escape(title), title_justify="left")
            for number, name in enumerate(header):
                table.add_column(name, justify="right" if number else "left")
            for row in cells:
                # An interval below its mean: a narrow terminal breaks neither.
                table.add_row(*(escape(cell).replace(" (", "\n(") for cell in row))
            results.print(table)


def score_rows(comparison: SplitComparison, selected: str | None) -> Iterator[tuple[str, ...]]:
    """Header and rows of R@1, with intervals, and of R@10."""
    yield ("recipe", *(f"{task} R@1" for task in TASKS), "T2V R@10", "V2T R@10")
    for row in comparison.rows:
        yield (
            f"{row.recipe} (selected)" if row.recipe == selected else row.recipe,
            *(with_interval(row.estimates[1][task]) for task in TASKS),
            *(f"{row.estimates[10][task].mean:.1f}" for task in TASKS[:2]),
        )
    yield ("chance", *(f"{comparison.chance[task]:.1f}" for task in TASKS), "", "")


def difference_rows(differences: Iterable[Difference]) -> Iterator[tuple[str, ...]]:
    """Header and rows of differences from the baseline; p-values are those of the mean."""
    yield ("recipe", *TASKS, "p, sentences", "p, seeds")
    for found in differences:
        yield (
            found.recipe,
            *(with_interval(found.estimates[task], sign="+") for task in TASKS),
            f"{found.p_sentences['mean']:.3g} ({found.p_sentences_holm['mean']:.3g})",
            f"{found.p_seeds['mean']:.3g}",
        )


def with_interval(estimate: Estimate, *, sign: str = "") -> str:
    """A mean and its interval, in percent or points.

    >>> with_interval(Estimate(3.04, -1.0, 7.0), sign="+")
    '+3.0 (-1.0 to +7.0)'
    """
    mean, low, high = (
        # Without the sign of a zero that was rounded.
        f"{round(value, 1) + 0.0:{sign}.1f}"
        for value in (estimate.mean, estimate.low, estimate.high)
    )
    return f"{mean} ({low} to {high})"


def _headline(comparison: SplitComparison) -> str:
    return (
        f"split {comparison.split}: {comparison.num_videos:,} videos of "
        f"{comparison.num_sentences:,} sentences"
    )


def _markdown(result: SweepResult) -> Iterator[str]:
    plan = result.plan
    settings, seeds = plan.settings, len(plan.settings.seeds)
    yield f"# Sweep {plan.title}\n"
    yield (
        f"Stage {settings.stage}, {len(plan.recipes)} recipes, seeds "
        f"{', '.join(map(str, settings.seeds))}. Recipes are selected by the validation split "
        "alone: the mean over seeds of R@1 of both directions, at each run's best epoch.\n"
    )
    if result.validation is not None:
        yield f"## Validation, {_headline(result.validation)}\n"
        yield from _tables(result, result.validation)
        yield f"Selected: **{result.selected}**.\n"
    if result.test is not None:
        yield f"## Test, {_headline(result.test)}\n"
        named = ", ".join(row.recipe for row in result.test.rows)
        yield (
            f"Scored after the selection, with each run's best epoch on validation, for: {named}. "
            "Nothing was chosen by it.\n"
        )
        yield from _tables(result, result.test)
    yield "## How to read this\n"
    yield NOTES.format(seeds=seeds, least=2 / 2**seeds)
    yield "## Recipes\n"
    yield from markdown_table(_recipe_rows(result))
    if result.failed:
        yield "## Failed runs\n"
        yield from markdown_table([("run", "reason"), *result.failed.items()])


def _tables(result: SweepResult, comparison: SplitComparison) -> Iterator[str]:
    yield from markdown_table(score_rows(comparison, result.selected))
    if comparison.differences:
        yield f"R@1 less that of {result.plan.baseline}, in points:\n"
        yield from markdown_table(difference_rows(comparison.differences))


def _recipe_rows(result: SweepResult) -> Iterator[tuple[str, ...]]:
    plan = result.plan
    base = plan.recipes[plan.baseline].model_dump(mode="json")
    yield ("recipe", "runs", f"differs from {plan.baseline} in")
    for name, settings in plan.recipes.items():
        values = settings.model_dump(mode="json")
        changes = values_at(values, changed_names(base, values))
        texts = [f"{key}: {json.dumps(value)}" for key, value in changes.items()]
        runs = plan.runs_of(name)
        finished = f"{sum(run.is_finished for run in runs)} of {len(runs)}"
        yield (name, finished, "; ".join(texts) or "-")


def markdown_table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yields the lines of a table whose first row is its header, and an empty line."""
    for number, row in enumerate(rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
        if number == 0:
            yield "|---" * len(row) + "|"
    yield ""
