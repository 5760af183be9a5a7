import numpy as np
import pytest

from train.evaluation.metrics import measure, settle, settle_published
from train.evaluation.ranks import Ranks, rank_both_ways


def test_by_hand():
    ranks = Ranks(*(np.array(v) for v in ([0, 3, 9, 20], [0, 0, 0, 0], [1] * 4, [0] * 4, [0] * 4)))
    metrics = measure(settle(ranks, "expected"))
    assert metrics.recall == {1: 25.0, 5: 50.0, 10: 75.0}
    assert (metrics.median_rank, metrics.mean_rank, metrics.num_ranks) == (7.0, 9.0, 4)
    assert metrics.rank_deviation == pytest.approx(np.sqrt((64 + 25 + 1 + 144) / 4))


def test_rules_differ_where_candidates_are_tied():
    """One query, tied with one wrong candidate: R@1 is certain, impossible or one half."""
    ranks = Ranks(*(np.array([v]) for v in (0, 1, 1, 0, 0)))
    recalls = {
        rule: measure(settle(ranks, rule)).recall[1]
        for rule in ("optimistic", "expected", "pessimistic")
    }
    assert recalls == {"optimistic": 100.0, "expected": 50.0, "pessimistic": 0.0}


def test_constant_scores_are_at_chance():
    """The mistake that counts ties as won would make this 100 %."""
    ranks = rank_both_ways(np.zeros((50, 50)), np.arange(50))
    for of_direction in ranks.values():
        metrics = measure(settle(of_direction, "expected"))
        assert metrics.recall == pytest.approx({1: 2.0, 5: 10.0, 10: 20.0})
        assert metrics.mean_rank == 25.5


def test_the_published_median_of_videos_is_the_lower_one():
    ranks = np.array([1, 2, 4, 9])
    assert measure(settle_published(ranks, "video_to_text")).median_rank == 2
    assert measure(settle_published(ranks, "text_to_video")).median_rank == 3
