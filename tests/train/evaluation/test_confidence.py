import numpy as np
import pytest

from train.evaluation import metrics
from train.evaluation.metrics import bootstrap_intervals


@pytest.fixture
def hits():
    generator = np.random.default_rng(1)
    return {k: (generator.random(400) < p).astype(float) for k, p in ((1, 0.3), (5, 0.8))}


def test_the_interval_is_as_wide_as_the_binomial_one(hits):
    low, high = bootstrap_intervals(hits)[1]
    share = hits[1].mean()
    width = 2 * 1.96 * np.sqrt(share * (1 - share) / 400)
    assert low < 100 * share < high
    assert high - low == pytest.approx(100 * width, rel=0.08)


def test_the_seed_decides_and_the_block_does_not(hits, monkeypatch):
    whole = bootstrap_intervals(hits)
    assert bootstrap_intervals(hits) == whole
    assert bootstrap_intervals(hits, seed=1) != whole
    monkeypatch.setattr(metrics, "DRAWS_AT_ONCE", 400 * 7 + 3)
    assert bootstrap_intervals(hits) == whole


def test_it_is_the_loop_over_resamples(hits):
    generator = np.random.default_rng(0)
    means = [hits[5][generator.integers(0, 400, 400)].mean() for _ in range(2000)]
    assert bootstrap_intervals(hits)[5] == pytest.approx(
        tuple(100 * np.percentile(means, [2.5, 97.5]))
    )


def test_it_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(2)
    covered = []
    for _ in range(100):
        drawn = (generator.random(200) < 0.4).astype(float)
        low, high = bootstrap_intervals({1: drawn})[1]
        covered.append(low <= 40 <= high)
    assert np.mean(covered) > 0.87


def test_certain_hits_have_no_width():
    assert bootstrap_intervals({1: np.ones(5)}) == {1: (100.0, 100.0)}
