"""Charts as SVG: bars, a histogram, lines, lanes over time.

Each is one picture with a sentence for those who do not see it. Its colours are those of the
page's style, and so it is readable in light, in dark and on paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from search.report.drawing import (
    COLOURS,
    LETTER_WIDTH,
    ROW,
    WIDTH,
    axis_line,
    drawing,
    label,
    legend,
    shortened,
)
from search.report.markup import Markup, Number, element, number
from search.results import Span

LABEL_WIDTH = 150
PLOT_WIDTH = 480
"""Of histograms and line plots: two fit side by side."""


@dataclass(frozen=True)
class Bar:
    """One bar of a bar chart, with the interval of its value where one is known."""

    label: str
    value: Number
    interval: tuple[Number, Number] | None = None
    colour: int = 0


@dataclass(frozen=True)
class Series:
    """One line of a line plot; points that are not finite leave a gap."""

    name: str
    x: Sequence[Number]
    y: Sequence[Number]


def bars(rows: Sequence[Bar], description: str, *, maximum: Number, form: str = ".1f") -> Markup:
    """Draws horizontal bars from 0 to ``maximum``, with whiskers for the intervals.

    A label is written once for bars that follow each other.
    """
    right = WIDTH - 56
    scale = (right - LABEL_WIDTH) / (maximum or 1)
    parts: list[Markup] = []
    for position, bar in enumerate(rows):
        top, middle = position * ROW + 3, position * ROW + ROW / 2
        end = LABEL_WIDTH + bar.value * scale
        if not position or rows[position - 1].label != bar.label:
            name = shortened(bar.label, LABEL_WIDTH)
            parts.append(label(LABEL_WIDTH - 8, middle + 4, name, anchor="end"))
        parts += [
            element(
                "rect", x=LABEL_WIDTH, y=top, width=max(0.5, end - LABEL_WIDTH), height=ROW - 6,
                rx=2, class_=COLOURS[bar.colour % len(COLOURS)], fill_opacity=0.85,
            ),
        ]  # fmt: skip
        reach = end
        if bar.interval is not None:
            low, reach = (LABEL_WIDTH + value * scale for value in bar.interval)
            path = f"M{number(low)} {number(middle)}H{number(reach)}"
            ends = "".join(f"M{number(x)} {number(middle - 4)}v8" for x in (low, reach))
            parts.append(element("path", d=path + ends, class_="whisker", fill="none"))
        parts.append(label(max(reach, end) + 6, middle + 4, format(bar.value, form)))
    parts.append(axis_line(LABEL_WIDTH, 0, LABEL_WIDTH, len(rows) * ROW))
    return drawing(WIDTH, len(rows) * ROW, description, parts)


def histogram(
    names: Sequence[str], series: Sequence[tuple[str, Sequence[Number]]], description: str
) -> Markup:
    """Draws the counts of each bin, the series side by side; each count stands on its bar."""
    height, bottom = 200, 168
    top = max((max(values, default=0) for _, values in series), default=0) or 1
    slot = (PLOT_WIDTH - 20) / max(1, len(names))
    thick = min(46.0, slot * 0.8 / max(1, len(series)))
    parts = [axis_line(10, bottom, PLOT_WIDTH - 10, bottom)]
    for column, name in enumerate(names):
        centre = 10 + slot * (column + 0.5)
        parts.append(label(centre, bottom + 16, name, anchor="middle"))
        for place, (_, values) in enumerate(series):
            length = values[column] / top * (bottom - 24)
            x = centre + (place - len(series) / 2) * thick
            parts.append(
                element(
                    "rect", x=x + 1, y=bottom - length, width=thick - 2, height=length,
                    class_=COLOURS[place % len(COLOURS)], fill_opacity=0.85,
                )
            )  # fmt: skip
            if values[column]:
                text = f"{values[column]:g}"
                parts.append(
                    label(x + thick / 2, bottom - length - 4, text, anchor="middle", small=True)
                )
    parts += legend([name for name, _ in series], height + 6) if len(series) > 1 else []
    return drawing(PLOT_WIDTH, height + 12, description, parts)


def line_plot(
    series: Sequence[Series], description: str, *, x_name: str, y_name: str, from_zero: bool = False
) -> Markup:
    """Draws lines over a common axis, with a legend below."""
    left, right, top, bottom = 48, PLOT_WIDTH - 12, 18, 210
    xs = [x for line in series for x in line.x]
    ys = [y for line in series for y in line.y if isfinite(y)]
    x_low, x_high = min(xs, default=0.0), max(xs, default=1.0)
    ticks = _ticks(0.0 if from_zero else min(ys, default=0.0), max(ys, default=1.0))
    low, high = ticks[0], ticks[-1]

    def at(x: Number, y: Number) -> str:
        across = (x - x_low) / ((x_high - x_low) or 1)
        up = (y - low) / ((high - low) or 1)
        return f"{number(left + across * (right - left))} {number(bottom - up * (bottom - top))}"

    parts = [label(left, 10, y_name, quiet=True, small=True)]
    for tick in ticks:
        y = bottom - (tick - low) / ((high - low) or 1) * (bottom - top)
        parts += [
            axis_line(left, y, right, y),
            label(left - 6, y + 4, f"{tick:g}", anchor="end", quiet=True, small=True),
        ]
    for tick in _ticks(x_low, x_high):
        if x_low <= tick <= x_high:
            x = left + (tick - x_low) / ((x_high - x_low) or 1) * (right - left)
            parts.append(
                label(x, bottom + 16, f"{tick:g}", anchor="middle", quiet=True, small=True)
            )
    parts.append(label(right, bottom + 30, x_name, anchor="end", quiet=True, small=True))
    for position, line in enumerate(series):
        path, pen = [], "M"
        for x, y in zip(line.x, line.y, strict=True):
            if isfinite(y):
                path.append(f"{pen}{at(x, y)}")
            pen = "L" if isfinite(y) else "M"
        colour = COLOURS[position % len(COLOURS)]
        dashes = None if position < len(COLOURS) else "5 3"
        parts.append(
            element("path", d="".join(path), class_=f"line {colour}", stroke_dasharray=dashes)
        )
    parts += legend([line.name for line in series], bottom + 46)
    return drawing(PLOT_WIDTH, bottom + 52, description, parts)


def lanes(rows: Sequence[tuple[str, Span, Number]], over: Span, description: str) -> Markup:
    """Draws one lane a row over a stretch of time, with a block where each row lies."""
    longest = max((len(name) for name, _, _ in rows), default=0)
    left, right = min(200.0, 16 + LETTER_WIDTH * longest), WIDTH - 44
    length = (over.end - over.start) or 1
    parts: list[Markup] = []
    for row, (name, span, value) in enumerate(rows):
        middle = ROW * row + ROW / 2
        start, end = (
            left + min(1.0, max(0.0, (time - over.start) / length)) * (right - left)
            for time in span
        )
        parts += [
            label(left - 6, middle + 4, shortened(name, left), anchor="end"),
            axis_line(left, middle, right, middle),
            element(
                "rect", x=start, y=middle - 7, width=max(2.0, end - start), height=14, rx=3,
                class_="heat", fill_opacity=0.15 + 0.75 * min(1.0, max(0.0, value)),
            ),
            label(right + 6, middle + 4, f"{value:z.2f}", small=True),
        ]  # fmt: skip
    bottom = ROW * len(rows)
    for time, anchor in ((over.start, "start"), (over.end, "end")):
        x = left if anchor == "start" else right
        parts.append(label(x, bottom + 13, f"{time:.2f} s", anchor=anchor, quiet=True, small=True))
    return drawing(WIDTH, bottom + 20, description, parts)


def _ticks(low: Number, high: Number) -> list[float]:
    """Returns some round numbers that enclose the values.

    >>> _ticks(0, 12.7)
    [0.0, 5.0, 10.0, 15.0]
    """
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** floor(log10(span / 3))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 5)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * n, 10) for n in range(first, max(last, first + 1) + 1)]
