"""A run's log becomes curves, whatever state a killed run has left it in."""

import json
import math

import pytest


def step(number, loss=1.0, **others):
    values = {
        "kind": "step", "step": number, "epoch": 1, "loss": loss, "parts": {"rgb": loss},
        "rates": {"streams": 0.1}, "skipped": False,
    }  # fmt: skip
    return json.dumps(values | others)


def validation(number, score, best):
    values = {
        "kind": "validation", "step": number, "epoch": number, "mean_r1": {"rgb": score},
        "best": best,
    }  # fmt: skip
    return json.dumps(values)


def curves(tmp_path, *lines):
    from search.report.training_curves import read_curves

    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(lines))
    return read_curves(path)


def test_curves_of_a_log(tmp_path):
    found = curves(
        tmp_path, step(1, 3.0), step(2, 2.0), validation(2, 10.0, 10.0),
        step(3, None, skipped=True), validation(4, 30.0, 30.0), validation(6, 20.0, 30.0),
    )  # fmt: skip
    assert found.losses["all"].steps == [1, 2, 3]
    assert found.losses["rgb"].values[:2] == [3, 2]
    assert math.isnan(found.losses["all"].values[2])
    assert found.validation["rgb"].values == [10, 30, 20]
    assert found.rates["streams"].values == [0.1] * 3
    assert (found.num_skipped, found.best_epoch) == (1, 4)


def test_lines_that_are_no_record_are_passed_over(tmp_path):
    cut = step(2)[:-20]
    found = curves(tmp_path, "", "nonsense", "[]", "3", '{"kind": "step"}', step(1), cut)
    assert found.losses["all"].steps == [1]


def test_a_log_without_steps_says_so(tmp_path):
    from search.report.training_curves import curves_figures

    assert "holds no step" in curves_figures(curves(tmp_path))


def test_long_curves_are_averaged_and_gaps_remain():
    from search.report.training_curves import MOST_POINTS, Curve, thinned

    count = 10 * MOST_POINTS
    values = [float(n) for n in range(count)]
    values[1] = math.nan
    values[10:20] = [math.nan] * 10
    line = thinned(Curve(list(map(float, range(count))), values))
    assert len(line.steps) == MOST_POINTS
    assert line.values[0] == pytest.approx(44 / 9)
    assert math.isnan(line.values[1])
    assert line.values[2] == pytest.approx(24.5)
    assert line.steps[2] == pytest.approx(24.5)


def test_the_drawing_tells_its_ends(tmp_path):
    from search.report.training_curves import curves_figures

    shown = curves_figures(curves(tmp_path, step(1, 3.0), step(2, 2.0), step(3, 1.5)))
    assert "all from 3 to 1.5, rgb from 3 to 1.5" in shown
    assert shown.count("<svg") == 2
