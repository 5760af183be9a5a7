"""A heat map as SVG: a cell for each value, with what its rows and columns come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Float

from search.report.drawing import LETTER_WIDTH, ROW, WIDTH, drawing, label, shortened
from search.report.markup import Markup, Number, element, number

MOST_HEAT = 0.72
"""Opacity of the strongest cell: text on it keeps its contrast."""
FEW_COLUMNS, LARGE_WIDTH = 16, 940
"""Maps of more columns take the page's whole width."""
STRENGTHS = 40
"""Steps from nothing to the strongest cell."""


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
    form: str = "z.2f"
    largest: Number | None = None
    """The value of the strongest colour; by default the largest in the map."""
    row_height: Number = ROW


def heat_map(values: Float[np.ndarray, "row _"], heat: Heat, description: str) -> Markup:
    """Draws a cell for each value, strong where it is large, in another hue below zero."""
    longest = max((len(name) for name in heat.rows), default=0)
    left = min(210.0, max(40.0, 14 + LETTER_WIDTH * longest))
    gap = 10 if heat.apart else 0
    width = WIDTH if len(heat.columns) <= FEW_COLUMNS else LARGE_WIDTH
    room = width - left - gap - (70 if heat.row_bars is not None else 0)
    wide = min(46.0, room / max(1, len(heat.columns)))
    lefts = [left + wide * n + gap * (n >= heat.apart) for n in range(len(heat.columns))]
    tall = heat.row_height
    bottom = tall * len(heat.rows)
    parts = _cells(values, lefts, wide, heat)
    for row, name in enumerate(heat.rows):
        middle = tall * row + tall / 2 + 4
        if not row % max(1, ceil(11 / tall)):
            parts.append(label(left - 6, middle, shortened(name, left), anchor="end"))
        if wide >= 27 and tall >= 14:
            parts += [
                label(x + wide / 2, middle, format(value, heat.form), anchor="middle", small=True)
                for x, value in zip(lefts, values[row].tolist(), strict=True)
                if value
            ]
        if heat.row_bars is not None:
            parts += _bar_right(lefts[-1] + wide + 8, tall * row, heat.row_bars, row)
    if heat.column_bars is not None:
        parts += _bars_below(lefts, wide, bottom, heat.column_bars)
        bottom += 44
    every = max(1, ceil(20 / wide))
    for column, (x, name) in enumerate(zip(lefts, heat.columns, strict=True)):
        if column < heat.apart or not (column - heat.apart) % every:
            text = name if column < heat.apart else shortened(name, wide * every + 14)
            parts.append(
                label(x + wide / 2, bottom + 15, text, anchor="middle", small=True, quiet=True)
            )
    height = bottom + 22
    if heat.column_name:
        parts.append(
            label(
                lefts[-1 if heat.apart >= len(lefts) else heat.apart],
                bottom + 31,
                heat.column_name,
                quiet=True,
                small=True,
            )
        )
        height += 16
    right = lefts[-1] + wide + (70 if heat.row_bars is not None else 8)
    drawn = max(right, left + 6 * len(heat.column_name))
    return drawing(drawn, height, description, parts)


def _cells(
    values: Float[np.ndarray, "row _"], lefts: Sequence[Number], wide: Number, heat: Heat
) -> list[Markup]:
    """The cells' colours, one path for all of one strength: a map may have thousands of them."""
    tall, limit = heat.row_height, heat.largest or float(np.abs(values).max(initial=0)) or 1.0
    steps = np.sign(values) * np.ceil(np.abs(values).clip(max=limit) / limit * STRENGTHS)
    box = f"h{number(wide)}v{number(tall)}h{number(-wide)}z"
    paths: dict[int, list[str]] = {step: [] for step in np.unique(steps).astype(int).tolist()}
    for row, of_row in enumerate(steps.astype(int).tolist()):
        for x, step in zip(lefts, of_row, strict=True):
            paths[step].append(f"M{number(x)} {number(tall * row)}{box}")
    parts = [
        element(
            "path", d="".join(cells), class_="cold" if step < 0 else "heat",
            fill_opacity=MOST_HEAT * abs(step) / STRENGTHS,
        )
        for step, cells in paths.items()
        if step
    ]  # fmt: skip
    grid = "".join(cell for cells in paths.values() for cell in cells)
    return [*parts, element("path", d=grid, class_="cell")]


def _bar_right(
    x: Number, top: Number, values: Float[np.ndarray, " row"], row: int
) -> tuple[Markup, Markup]:
    value = float(values[row])
    length = 30 * max(0.0, value) / (float(np.abs(values).max()) or 1)
    return (
        element(
            "rect", x=x, y=top + 7, width=length, height=ROW - 14, class_="second", fill_opacity=0.8
        ),
        label(x + length + 4, top + ROW / 2 + 4, f"{value:z.2f}", small=True),
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
            text = f"{value:z.2f}"
            parts.append(label(x + wide / 2, top + length + 14, text, anchor="middle", small=True))
    return parts
