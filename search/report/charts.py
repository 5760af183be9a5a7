"""Drawings as SVG: bars, histogram, lines, heat map, lanes over time.

Each is one picture with a sentence for those who do not see it. Its colours are those of the
page's style, and so it is readable in light, in dark and on paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import numpy as np
from jaxtyping import Float, Float32

from search.report.markup import Content, Markup, Number, element, number
from search.results import Span

COLOURS = ("first", "second", "third", "fourth")
"""Classes of the style, in the order of a drawing's series."""

MOST_HEAT = 0.72
"""Opacity of the strongest cell: text on it keeps its contrast."""

WIDTH = 640
ROW = 24
LABEL_WIDTH = 150
_LETTER = 6.9
"""Pixels that a letter takes, about."""


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
    """Draws horizontal bars from 0 to ``maximum``, with whiskers for the intervals."""
    right = WIDTH - 56
    scale = (right - LABEL_WIDTH) / (maximum or 1)
    parts: list[Markup] = []
    for position, bar in enumerate(rows):
        top, middle = position * ROW + 3, position * ROW + ROW / 2
        end = LABEL_WIDTH + bar.value * scale
        parts += [
            _text(LABEL_WIDTH - 8, middle + 4, _short(bar.label, LABEL_WIDTH), anchor="end"),
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
        parts.append(_text(max(reach, end) + 6, middle + 4, format(bar.value, form)))
    parts.append(_line(LABEL_WIDTH, 0, LABEL_WIDTH, len(rows) * ROW))
    return _drawing(WIDTH, len(rows) * ROW, description, parts)


def histogram(
    names: Sequence[str], series: Sequence[tuple[str, Sequence[Number]]], description: str
) -> Markup:
    """Draws the counts of each bin, the series side by side; each count stands on its bar."""
    height, bottom = 200, 168
    top = max((max(values, default=0) for _, values in series), default=0) or 1
    slot = (WIDTH - 20) / max(1, len(names))
    thick = min(46.0, slot * 0.8 / max(1, len(series)))
    parts = [_line(10, bottom, WIDTH - 10, bottom)]
    for column, name in enumerate(names):
        centre = 10 + slot * (column + 0.5)
        parts.append(_text(centre, bottom + 16, name, anchor="middle"))
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
                label = f"{values[column]:g}"
                parts.append(
                    _text(x + thick / 2, bottom - length - 4, label, anchor="middle", small=True)
                )
    parts += _legend([name for name, _ in series], height - 6) if len(series) > 1 else []
    return _drawing(WIDTH, height + 4, description, parts)


def line_plot(
    series: Sequence[Series], description: str, *, x_name: str, y_name: str, from_zero: bool = False
) -> Markup:
    """Draws lines over a common axis, with a legend below."""
    left, right, top, bottom = 48, WIDTH - 12, 18, 210
    xs = [x for line in series for x in line.x]
    ys = [y for line in series for y in line.y if isfinite(y)]
    x_low, x_high = min(xs, default=0.0), max(xs, default=1.0)
    ticks = _ticks(0.0 if from_zero else min(ys, default=0.0), max(ys, default=1.0))
    low, high = ticks[0], ticks[-1]

    def at(x: Number, y: Number) -> str:
        across = (x - x_low) / ((x_high - x_low) or 1)
        up = (y - low) / ((high - low) or 1)
        return f"{number(left + across * (right - left))} {number(bottom - up * (bottom - top))}"

    parts = [_text(left, 10, y_name, quiet=True, small=True)]
    for tick in ticks:
        y = bottom - (tick - low) / ((high - low) or 1) * (bottom - top)
        parts += [
            _line(left, y, right, y),
            _text(left - 6, y + 4, f"{tick:g}", anchor="end", quiet=True, small=True),
        ]
    for tick in _ticks(x_low, x_high):
        if x_low <= tick <= x_high:
            x = left + (tick - x_low) / ((x_high - x_low) or 1) * (right - left)
            parts.append(
                _text(x, bottom + 16, f"{tick:g}", anchor="middle", quiet=True, small=True)
            )
    parts.append(_text(right, bottom + 30, x_name, anchor="end", quiet=True, small=True))
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
    parts += _legend([line.name for line in series], bottom + 46)
    return _drawing(WIDTH, bottom + 52, description, parts)


@dataclass(frozen=True)
class Heat:
    """A heat map: what stands beside its cells, and how its values are shown."""

    rows: Sequence[str]
    columns: Sequence[str]
    column_name: str = ""
    """What the columns are, below them."""
    row_bars: Float[np.ndarray, " row"] | None = None
    """What each row comes to, as bars to the right."""
    column_bars: Float[np.ndarray, " _"] | None = None
    """What each column comes to, as bars below."""
    apart: int = 0
    """So many first columns stand apart from the others."""
    form: str = ".2f"
    largest: Number | None = None
    """The value of the strongest colour; by default the largest in the map."""


def heat_map(values: Float32[np.ndarray, "row _"], heat: Heat, description: str) -> Markup:
    """Draws a cell for each value, strong where it is large, in another hue below zero."""
    longest = max((len(name) for name in heat.rows), default=0)
    left = min(210.0, max(40.0, 14 + _LETTER * longest))
    gap = 10 if heat.apart else 0
    room = WIDTH - left - gap - (70 if heat.row_bars is not None else 0)
    wide = min(46.0, room / max(1, len(heat.columns)))
    lefts = [left + wide * n + gap * (n >= heat.apart) for n in range(len(heat.columns))]
    bottom = ROW * len(heat.rows)
    limit = heat.largest or float(np.abs(values).max(initial=0)) or 1.0

    parts: list[Markup] = []
    for row, name in enumerate(heat.rows):
        middle = ROW * row + ROW / 2 + 4
        parts.append(_text(left - 6, middle, _short(name, left), anchor="end"))
        for x, value in zip(lefts, values[row].tolist(), strict=True):
            place = {"x": x, "y": ROW * row, "width": wide, "height": ROW}
            strength = MOST_HEAT * min(1.0, abs(value) / limit)
            if strength >= 0.01:
                colour = "cold" if value < 0 else "heat"
                parts.append(element("rect", **place, class_=colour, fill_opacity=strength))
            parts.append(element("rect", **place, class_="cell"))
            if wide >= 27 and value:
                label = format(value, heat.form)
                parts.append(_text(x + wide / 2, middle, label, anchor="middle", small=True))
        if heat.row_bars is not None:
            parts += _bar_right(lefts[-1] + wide + 8, ROW * row, heat.row_bars, row)
    if heat.column_bars is not None:
        parts += _bars_below(lefts, wide, bottom, heat.column_bars)
        bottom += 44
    every = max(1, ceil(20 / wide))
    for column, (x, name) in enumerate(zip(lefts, heat.columns, strict=True)):
        if column < heat.apart or not (column - heat.apart) % every:
            label = name if column < heat.apart else _short(name, wide * every + 14)
            parts.append(
                _text(x + wide / 2, bottom + 15, label, anchor="middle", small=True, quiet=True)
            )
    height = bottom + 22
    if heat.column_name:
        parts.append(
            _text(lefts[heat.apart], bottom + 31, heat.column_name, quiet=True, small=True)
        )
        height += 16
    return _drawing(WIDTH, height, description, parts)


def lanes(rows: Sequence[tuple[str, Span, Number]], over: Span, description: str) -> Markup:
    """Draws one lane a row over a stretch of time, with a block where each row lies."""
    longest = max((len(name) for name, _, _ in rows), default=0)
    left, right = min(200.0, 16 + _LETTER * longest), WIDTH - 44
    length = (over.end - over.start) or 1
    parts: list[Markup] = []
    for row, (name, span, value) in enumerate(rows):
        middle = ROW * row + ROW / 2
        start, end = (
            left + min(1.0, max(0.0, (time - over.start) / length)) * (right - left)
            for time in span
        )
        parts += [
            _text(left - 6, middle + 4, _short(name, left), anchor="end"),
            _line(left, middle, right, middle),
            element(
                "rect", x=start, y=middle - 7, width=max(2.0, end - start), height=14, rx=3,
                class_="heat", fill_opacity=0.15 + 0.75 * min(1.0, max(0.0, value)),
            ),
            _text(right + 6, middle + 4, f"{value:.2f}", small=True),
        ]  # fmt: skip
    bottom = ROW * len(rows)
    for time, anchor in ((over.start, "start"), (over.end, "end")):
        x = left if anchor == "start" else right
        parts.append(_text(x, bottom + 13, f"{time:.2f} s", anchor=anchor, quiet=True, small=True))
    return _drawing(WIDTH, bottom + 20, description, parts)


def _drawing(width: Number, height: Number, description: str, parts: Sequence[Content]) -> Markup:
    return element(
        "svg", *parts, viewBox=f"0 0 {number(width)} {number(height)}", width=width, height=height,
        role="img", aria_label=description,
    )  # fmt: skip


def _text(
    x: Number,
    y: Number,
    text: str,
    *,
    anchor: str | None = None,
    quiet: bool = False,
    small: bool = False,
) -> Markup:
    kinds = " ".join(name for name, is_so in (("quiet", quiet), ("small", small)) if is_so)
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=kinds or None)


def _line(x1: Number, y1: Number, x2: Number, y2: Number) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="axis")


def _legend(names: Sequence[str], y: Number) -> list[Markup]:
    parts, x = [], 48.0
    for position, name in enumerate(names):
        colour = COLOURS[position % len(COLOURS)]
        hollow = 0.85 if position < len(COLOURS) else 0.4
        parts.append(
            element(
                "rect", x=x, y=y - 9, width=10, height=10, rx=2, class_=colour, fill_opacity=hollow
            )
        )
        parts.append(_text(x + 15, y, _short(name, 220), small=True))
        x += 34 + _LETTER * min(len(name), 34)
    return parts


def _bar_right(
    x: Number, top: Number, values: Float[np.ndarray, " row"], row: int
) -> tuple[Markup, Markup]:
    value = float(values[row])
    length = 30 * max(0.0, value) / (float(np.abs(values).max()) or 1)
    return (
        element(
            "rect", x=x, y=top + 7, width=length, height=ROW - 14, class_="second", fill_opacity=0.8
        ),
        _text(x + length + 4, top + ROW / 2 + 4, f"{value:.2f}", small=True),
    )


def _bars_below(
    lefts: Sequence[Number], wide: Number, top: Number, values: Float[np.ndarray, " _"]
) -> list[Markup]:
    largest = float(np.abs(values).max()) or 1
    parts = []
    for x, value in zip(lefts, values.tolist(), strict=True):
        length = 26 * max(0.0, value) / largest
        parts.append(
            element(
                "rect", x=x + wide * 0.2, y=top + 4, width=wide * 0.6, height=length,
                class_="second", fill_opacity=0.8,
            )
        )  # fmt: skip
        if wide >= 27:
            label = f"{value:.2f}"
            parts.append(_text(x + wide / 2, top + length + 14, label, anchor="middle", small=True))
    return parts


def _short(text: str, room: Number) -> str:
    """Cuts a label off where its room ends; the table below the drawing has all of it."""
    letters = max(3, int((room - 8) / _LETTER))
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


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
