from dataclasses import replace

import numpy as np
import pytest

from train.evaluation.metrics import SplitScores, build_gallery
from train.evaluation.ranks import ScoreError


def test_mean_r1_is_of_both_directions(evaluated):
    scores = evaluated.scores
    assert scores.streams == ("fusion", "rgb")
    assert scores.mean_r1("fusion") == 100
    # By hand. V2T: certain, no, no, tied with one. T2V: [v1 wins] no, [v2 wins] no, [v1 wins] no.
    assert scores.mean_r1("rgb") == pytest.approx((100 * 1.5 / 4 + 0) / 2)


def test_ties_are_settled_by_the_rule(evaluated):
    def hits(rule):
        return evaluated.scores.settled("rgb", "video_to_text", rule).hits[1].tolist()

    assert hits("optimistic") == [1, 0, 0, 1]
    assert hits("pessimistic") == [1, 0, 0, 0]
    assert hits("expected") == [1, 0, 0, 0.5]


def test_the_published_rule_counts_entries():
    """Two entries of one sentence: a query each, and one of them cannot be told from the other."""
    gallery = build_gallery("test", ["a", "b"], ["rain", "rain"], ["1", "2"])
    scores = SplitScores(gallery, {"rgb": np.array([[0.5], [0.4]], np.float32)})
    assert scores.settled("rgb", "text_to_video", "published").ranks.tolist() == [1, 2]
    assert scores.settled("rgb", "video_to_text", "published").ranks.tolist() == [1, 2]
    assert scores.settled("rgb", "text_to_video", "expected").ranks.tolist() == [1]


def test_broken_scores_are_not_ranked(evaluated):
    broken = replace(evaluated.scores, scores={"rgb": np.full((4, 3), np.nan, np.float32)})
    with pytest.raises(ScoreError, match="not finite"):
        broken.mean_r1("rgb")
