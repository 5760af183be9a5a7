"""How a run's loss, validation scores and learning rates went, from its ``metrics.jsonl``."""

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from search.report.charts import Series, line_plot
from search.report.markup import Markup, element, joined
from search.report.page import figure, problem, table

MOST_POINTS = 200
"""Of a line; more steps are averaged."""


@dataclass
class Curve:
    """Values at some steps."""

    steps: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    """NaN where a step had no finite result."""

    def add(self, step: float, value: float | None) -> None:
        """Adds a point; no value, as the file writes what is not finite, becomes NaN."""
        self.steps.append(step)
        self.values.append(math.nan if value is None else float(value))


@dataclass(frozen=True)
class TrainingCurves:
    """The curves of one run, by their names."""

    losses: dict[str, Curve]
    """``all`` first, then its parts."""
    validation: dict[str, Curve]
    """Stream -> mean of R@1 of both directions, in percent."""
    rates: dict[str, Curve]
    num_skipped: int
    """Steps without a finite result."""
    best_epoch: int | None
    """Of the best validation score."""


def read_curves(path: Path) -> TrainingCurves:
    """Reads the log of a run; a line that is cut off, as a killed run leaves it, is passed over.

    Raises ``OSError`` for a file that cannot be read.
    """
    losses, validation, rates = (defaultdict[str, Curve](Curve) for _ in range(3))
    skipped, best_score, best_epoch = 0, -math.inf, None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            step = float(record["step"])
            if record["kind"] == "step":
                losses["all"].add(step, record["loss"])
                for name, value in record["parts"].items():
                    losses[name].add(step, value)
                for name, value in record["rates"].items():
                    rates[name].add(step, value)
                skipped += bool(record["skipped"])
            elif record["kind"] == "validation":
                for name, value in record["mean_r1"].items():
                    validation[name].add(step, value)
                if record["best"] is not None and record["best"] > best_score:
                    best_score, best_epoch = record["best"], int(record["epoch"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return TrainingCurves(losses, validation, rates, skipped, best_epoch)


def curves_figures(curves: TrainingCurves) -> Markup:
    """Draws the curves that the log has."""
    if not curves.losses:
        return problem("The log of the run holds no step.")
    told = [element("p", f"{curves.num_skipped:,} steps had no finite result and were skipped.")]
    steps = curves.losses["all"].steps
    parts = [
        _plot(
            curves.losses,
            "Training loss",
            f"Loss of {len(steps):,} steps: all of it, and its parts before they are weighted.",
            y_name="loss",
        )
    ]
    if curves.validation:
        best = f" The best epoch is {curves.best_epoch}." if curves.best_epoch else ""
        parts.append(
            _plot(
                curves.validation,
                "R@1 on the validation split",
                f"Mean of R@1 of both directions on the validation split, by stream.{best}",
                y_name="R@1, %",
                from_zero=True,
            )
        )
    if curves.rates:
        caption = "Learning rate of each group of parameters."
        parts.append(_plot(curves.rates, "Learning rates", caption, y_name="rate", from_zero=True))
    return joined(element("div", *parts, class_="pair"), *(told if curves.num_skipped else ()))


def thinned(curve: Curve) -> Curve:
    """Averages runs of steps, so that at most :data:`MOST_POINTS` remain; gaps remain gaps."""
    if len(curve.steps) <= MOST_POINTS:
        return curve
    runs = np.array_split(np.arange(len(curve.steps)), MOST_POINTS)
    steps, values = np.array(curve.steps), np.array(curve.values)
    finite = [values[run][np.isfinite(values[run])] for run in runs]
    means = [float(some.mean()) if len(some) else math.nan for some in finite]
    return Curve([float(steps[run].mean()) for run in runs], means)


def _plot(
    curves: dict[str, Curve], name: str, caption: str, *, y_name: str, from_zero: bool = False
) -> Markup:
    lines = {key: thinned(curve) for key, curve in curves.items()}
    series = [Series(key, line.steps, line.values) for key, line in lines.items()]
    ranges = {key: _range_of(curve) for key, curve in curves.items()}
    ends = ", ".join(f"{key} from {r[0]:.3g} to {r[-1]:.3g}" for key, r in ranges.items())
    drawing = line_plot(
        series, f"{name}: {ends}", x_name="step", y_name=y_name, from_zero=from_zero
    )
    rows = [(key, *(f"{value:.3g}" for value in values)) for key, values in ranges.items()]
    columns = ("Curve", "First", "Least", "Most", "Last")
    return figure(drawing, caption, table(f"{name}.", columns, rows, numeric=range(1, 5)))


def _range_of(curve: Curve) -> tuple[float, float, float, float]:
    """First, least, most and last of the values that are finite."""
    values = [value for value in curve.values if math.isfinite(value)] or [math.nan]
    return values[0], min(values), max(values), values[-1]
