"""Drawings stay inside their picture, hold their values, and are told in a sentence."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def parsed(drawing):
    """The picture as XML, after a look that all of it lies inside."""
    tree = ElementTree.fromstring(drawing)
    _, _, width, height = map(float, tree.attrib["viewBox"].split())
    assert tree.attrib["aria-label"]
    for part in tree:
        for key in ("x", "x1", "x2"):
            assert -1 <= float(part.attrib.get(key, 0)) <= width + 1, part.attrib
        for key in ("y", "y1", "y2"):
            assert -1 <= float(part.attrib.get(key, 0)) <= height + 1, part.attrib
        for key in ("width", "height"):
            assert float(part.attrib.get(key, 0)) >= 0
    return tree


def texts(tree):
    return [part.text for part in tree if part.tag == "text"]


def test_bars():
    from search.report.charts import Bar, bars

    drawing = bars([Bar("a", 50, (40, 60)), Bar("b" * 90, 100.0), Bar("c", 0)], "R@1", maximum=100)
    tree = parsed(drawing)
    widths = [float(part.attrib["width"]) for part in tree if part.tag == "rect"]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.02)
    assert widths[2] <= 0.5
    assert texts(tree)[1] == "50.0"
    assert texts(tree)[2].endswith("…")


def test_a_label_that_repeats_is_written_once():
    from search.report.charts import Bar, bars

    tree = parsed(bars([Bar("a", 1), Bar("a", 2), Bar("b", 3)], "x", maximum=5))
    assert texts(tree) == ["a", "1.0", "2.0", "b", "3.0"]


@pytest.mark.parametrize("counts", [[3, 0, 1], [0, 0, 0]])
def test_histogram(counts):
    from search.report.charts import histogram

    tree = parsed(histogram(["1", "2", "3-9"], [("a", counts), ("b", [1, 2, 3])], "ranks"))
    heights = [float(part.attrib["height"]) for part in tree if part.tag == "rect"][:6]
    assert heights[1::2] == pytest.approx(
        [heights[5] / 3, heights[5] * 2 / 3, heights[5]], abs=0.02
    )
    assert {"a", "b", "1", "2", "3-9"} <= set(texts(tree))


def test_lines_leave_gaps():
    from search.report.charts import Series, line_plot

    line = Series("loss", [1, 2, 3, 4, 5], [1.0, 0.5, math.nan, 0.25, 0.2])
    tree = parsed(line_plot([line], "loss", x_name="step", y_name="loss", from_zero=True))
    (path,) = (part.attrib["d"] for part in tree if part.tag == "path")
    assert path.count("M") == 2
    assert path.count("L") == 2
    heights = [float(NUMBER.findall(point)[1]) for point in re.split("[ML]", path)[1:]]
    assert heights == sorted(heights)
    assert "0" in texts(tree)


@pytest.mark.parametrize("values", [[], [math.nan], [2.0], [-1.0, -1.0], [1e9, 1e-9]])
def test_lines_of_few_points(values):
    from search.report.charts import Series, line_plot

    series = [Series("a", list(range(len(values))), values)]
    parsed(line_plot(series, "x", x_name="x", y_name="y"))


def test_ticks_enclose_the_values():
    from search.report.charts import _ticks

    generator = np.random.default_rng(0)
    for _ in range(300):
        low, high = sorted((generator.normal(size=2) * 10.0 ** generator.integers(-6, 7)).tolist())
        ticks = _ticks(low, high)
        assert ticks[0] <= low + 1e-9 * abs(low)
        assert ticks[-1] >= high - 1e-9 * abs(high)
        assert 2 <= len(ticks) <= 8


def test_heat_map():
    from search.report.heat_map import MOST_HEAT, Heat, heat_map

    values = np.array([[1.0, 0.5, 0.0], [-1.0, 0.25, -0.001]])
    rows = np.array([0.5, -0.2])
    tree = parsed(
        heat_map(
            values,
            Heat(["sun", "rain"], ["all", "1", "2"], "clips", rows, np.array([1, 2, 0.0]), apart=1),
            "cosines",
        )
    )
    strengths = {
        (part.attrib["class"], float(part.attrib["fill-opacity"])): part.attrib["d"].count("M")
        for part in tree
        if part.tag == "path" and "fill-opacity" in part.attrib
    }
    assert strengths[("heat", MOST_HEAT)] == 1
    assert strengths[("cold", MOST_HEAT)] == 1
    assert sum(strengths.values()) == 5  # zero has no colour
    assert {"sun", "rain", "all", "1.00", "-1.00", "0.25", "0.50"} <= set(texts(tree))
    assert "-0.00" not in texts(tree)


@pytest.mark.parametrize(("num_rows", "num_columns"), [(1, 1), (30, 64), (65, 65), (3, 300)])
def test_large_and_small_maps(num_rows, num_columns):
    from search.report.heat_map import Heat, heat_map

    values = np.random.default_rng(0).normal(size=(num_rows, num_columns)).astype(np.float32)
    heat = Heat(
        ["w" * n for n in range(num_rows)], list(map(str, range(num_columns))), apart=1,
        row_bars=values[:, 0], column_bars=values[0],
    )  # fmt: skip
    drawing = heat_map(values, heat, "many")
    parsed(drawing)
    assert len(drawing) < 3000 + 120 * num_rows * num_columns + 300 * (num_rows + num_columns)


def test_lanes():
    from search.report.charts import lanes
    from search.results import Span

    rows = [("sun", Span(1.0, 2.0), 0.5), ("late", Span(9.0, 30.0), 1.5), ("no", Span(0, 0), -0.2)]
    tree = parsed(lanes(rows, Span(0.0, 10.0), "words"))
    blocks = [part.attrib for part in tree if part.tag == "rect"]
    assert float(blocks[0]["width"]) == pytest.approx(float(blocks[1]["width"]), abs=0.02)
    assert float(blocks[2]["width"]) == 2
    assert {"sun", "0.50", "0.00 s", "10.00 s"} <= set(texts(tree))
