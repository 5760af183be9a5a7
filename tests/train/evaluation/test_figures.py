from dataclasses import replace

import numpy as np
import pytest

from train.evaluation.metrics import build_gallery
from train.evaluation.report import chance_figures, figures_of, spread_of


def test_figures_of_every_stream_and_direction(evaluated):
    figures = figures_of(evaluated.scores, "expected")
    assert figures.keys() == {"fusion", "rgb"}
    fusion = figures["fusion"]["text_to_video"]
    assert fusion.metrics.recall[1] == 100
    assert fusion.intervals[1] == (100, 100)
    low, high = figures["rgb"]["video_to_text"].intervals[1]
    assert low <= 37.5 <= high


def test_chance_is_exact():
    """4 of 100 videos show the first sentence, all others one each."""
    gallery = build_gallery(
        "test", [str(v) for v in range(100)], ["a"] * 4 + list(map(str, range(96)))
    )
    chance = chance_figures(gallery)
    drawn = (0.04 + 96 * 0.01) / 97
    assert chance["text_to_video"].recall[1] == pytest.approx(100 * drawn)
    none_of_ten = np.prod([(96 - i) / (100 - i) for i in range(10)])
    within_ten = ((1 - none_of_ten) + 96 * 0.1) / 97
    assert chance["text_to_video"].recall[10] == pytest.approx(100 * within_ten)
    assert chance["video_to_text"].recall[5] == pytest.approx(100 * 5 / 97)
    assert chance["video_to_text"].mean_rank == 49


def test_spread_over_runs(evaluated):
    turned = {"fusion": evaluated.scores.scores["rgb"], "rgb": evaluated.scores.scores["rgb"]}
    other = replace(evaluated.scores, scores=turned)
    runs = [figures_of(scores, "expected") for scores in (evaluated.scores, other)]
    spread = spread_of(runs)["fusion"]["video_to_text"]["R@1"]
    assert spread.mean == pytest.approx((100 + 37.5) / 2)
    assert spread.deviation == pytest.approx(62.5 / np.sqrt(2))
    assert spread_of(runs)["rgb"]["video_to_text"]["R@1"].deviation == 0
