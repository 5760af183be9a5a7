"""Means over seeds and sentences, paired differences, and the two permutation tests."""

from itertools import product

import numpy as np
import pytest

from train.evaluation import paired
from train.evaluation.kept_hits import KeptHits, hit_table
from train.evaluation.metrics import SplitScores, build_gallery
from train.evaluation.paired import (
    HitTable,
    crossed_bootstrap,
    holm,
    p_seeds,
    p_sentences,
    sign_flip_p,
)


def table(t2v, v2t=None, videos=None):
    t2v = np.array(t2v, float)
    v2t = t2v if v2t is None else np.array(v2t, float)
    videos = np.ones(t2v.shape[1], int) if videos is None else np.array(videos)
    return HitTable(t2v, v2t, videos)


def random_table(seed, num_runs=4, num_texts=60, level=0.4, easier=0.0):
    """Runs that differ in level and sentences that differ in difficulty, both at random."""
    generator = np.random.default_rng(seed)
    chance = level + generator.normal(0, 0.05, (num_runs, 1)) + easier
    chance = chance + generator.normal(0, 0.2, (1, num_texts))
    return table(generator.random((num_runs, num_texts)) < chance)


def test_recalls_by_hand():
    """The second sentence has three videos, of which two and none find it."""
    found = table([[1, 0], [1, 1]], [[1, 2], [0, 0]], [1, 3]).recalls()
    assert found == {"T2V": [50.0, 100.0], "V2T": [75.0, 0.0], "mean": [62.5, 50.0]}


def test_the_interval_is_that_of_drawing_rows_and_columns_again():
    hits = random_table(0)
    generator, num_draws = np.random.default_rng(5), 4000
    means = []
    for _ in range(num_draws):
        runs = generator.integers(0, 4, 4)
        texts = generator.integers(0, 60, 60)
        means.append(100 * hits.text_to_video[np.ix_(runs, texts)].mean())
    low, high = np.percentile(means, [2.5, 97.5])
    found = crossed_bootstrap(hits)["T2V"]
    assert found.mean == pytest.approx(100 * hits.text_to_video.mean())
    assert found.low == pytest.approx(low, abs=1.5)
    assert found.high == pytest.approx(high, abs=1.5)


def test_a_sentence_goes_with_all_its_videos():
    """One of two sentences has 9 of 10 videos: V2T is 0, 90 or 100 percent, whatever is drawn."""
    found = crossed_bootstrap(table([[1, 0]], [[9, 0]], [9, 1]))
    assert (found["V2T"].mean, found["V2T"].low, found["V2T"].high) == (90.0, 0.0, 100.0)


def test_runs_that_differ_widen_the_interval():
    """Seeds that find all or nothing: over sentences alone there would be no width."""
    found = crossed_bootstrap(table(np.repeat([[1], [0], [1], [0]], 50, axis=1)))["mean"]
    assert found.low <= 10 and found.high >= 90  # noqa: PT018


def test_memory_bounds_do_not_change_the_interval_of_one_size(monkeypatch):
    hits = random_table(1)
    found = crossed_bootstrap(hits)
    assert found == crossed_bootstrap(hits)
    monkeypatch.setattr(paired, "DRAWS_AT_ONCE", 60 * 7)
    again = crossed_bootstrap(hits)["mean"]
    assert again.low == pytest.approx(found["mean"].low, abs=2)


def test_all_signs_of_few_parts_are_tried():
    parts = np.array([4.0, 1.0, -2.0, 0.5])
    sums = [abs(np.dot(signs, parts)) for signs in product((1, -1), repeat=4)]
    assert sign_flip_p(parts) == np.mean(np.array(sums) >= abs(parts.sum()))


def test_many_parts_are_sampled_to_about_the_same():
    parts = np.random.default_rng(2).normal(0.3, 1, paired.MOST_EXACT)
    exact = sign_flip_p(parts)
    # One part more that moves nothing, but is too many for all combinations.
    assert sign_flip_p(np.append(parts, 1e-12)) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("parts", [[], [0.0, 0.0], [0.0] * 40])
def test_no_difference_has_a_p_of_one(parts):
    assert sign_flip_p(np.array(parts, float)) == 1.0


def test_the_least_p_of_seeds_is_two_of_all_ways():
    one = random_table(3, num_runs=5, easier=0.3)
    difference = one.minus(table(np.zeros((5, 60))))
    assert p_seeds(difference)["mean"] == 2 / 32
    assert p_sentences(difference)["mean"] == pytest.approx(1 / 10_001)


def test_equal_recipes_are_rarely_told_apart():
    """Below 5 % in about one of twenty comparisons of what does not differ."""
    found = [
        p_sentences(random_table(seed, num_runs=1).minus(random_table(seed + 500, num_runs=1)))
        for seed in range(60)
    ]
    assert np.mean([p["T2V"] < 0.05 for p in found]) < 0.12
    found = [
        p_seeds(random_table(seed, 5, 20).minus(random_table(seed + 500, 5, 20)))["T2V"]
        for seed in range(100)
    ]
    assert np.mean(np.array(found) <= 2 / 32) < 0.15


def test_pairing_sees_what_unpaired_intervals_hide():
    """Sentences differ a lot; the second recipe finds what the first does, and a little more."""
    first = random_table(4, num_runs=5, num_texts=100)
    better = first.text_to_video.copy()
    better[:, np.flatnonzero(better[0] == 0)[:8]] = 1
    second = table(better)
    separate = crossed_bootstrap(first)["T2V"], crossed_bootstrap(second)["T2V"]
    assert separate[0].high > separate[1].low
    assert crossed_bootstrap(second.minus(first))["T2V"].low > 0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.fixture
def scores():
    generator = np.random.default_rng(0)
    texts = ["a", "b", "b", "c"]
    gallery = build_gallery("dev", ["v1", "v2", "v3", "v4"], texts)
    return SplitScores(gallery, {s: generator.normal(size=(4, 3)) for s in ("fusion", "pose")})


def test_kept_hits_give_the_recalls_of_the_scores(scores, tmp_path):
    path = tmp_path / "dev" / "hits.npz"
    KeptHits.of(scores).write(path)
    kept = KeptHits.read(path)
    assert kept.streams == ("fusion", "pose")
    for stream in kept.streams:
        recalls = hit_table([kept, kept], stream).recalls()
        assert recalls["mean"] == pytest.approx([scores.mean_r1(stream)] * 2)
        for task, way in (("T2V", "text_to_video"), ("V2T", "video_to_text")):
            expected = scores.metrics(stream, way).recall
            for k in (1, 5):
                assert hit_table([kept], stream, k).recalls()[task][0] == pytest.approx(expected[k])


def test_runs_on_other_videos_are_not_compared(scores):
    gallery = build_gallery("dev", ["v1", "v2", "v3", "v5"], ["a", "b", "b", "c"])
    other = SplitScores(gallery, scores.scores)
    with pytest.raises(ValueError, match="different videos"):
        hit_table([KeptHits.of(scores), KeptHits.of(other)], "fusion")
