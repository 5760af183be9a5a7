"""Recall, ranks' means, intervals, chance, confusions and the spread of a split's scores."""

from dataclasses import replace

import numpy as np
import pytest

from train.evaluation import metrics
from train.evaluation.metrics import (
    Confusion,
    SplitScores,
    bootstrap_intervals,
    build_gallery,
    chance_metrics,
    measure,
    measure_published,
    most_confused,
    spread_of,
)
from train.evaluation.ranks import Ranks, ScoreError, rank_both_ways
from train.evaluation.report import confusion_table


def test_by_hand():
    ranks = Ranks(*(np.array(v) for v in ([0, 3, 9, 20], [0, 0, 0, 0], [1] * 4, [0] * 4, [0] * 4)))
    metrics = measure(ranks, "expected")
    assert metrics.recall == {1: 25.0, 5: 50.0, 10: 75.0}
    assert (metrics.median_rank, metrics.mean_rank) == (7.0, 9.0)
    assert metrics.rank_deviation == pytest.approx(np.sqrt((64 + 25 + 1 + 144) / 4))


def test_rules_differ_where_candidates_are_tied():
    """One query, tied with one wrong candidate: R@1 is certain, impossible or one half."""
    ranks = Ranks(*(np.array([v]) for v in (0, 1, 1, 0, 0)))
    recalls = {
        rule: measure(ranks, rule).recall[1] for rule in ("optimistic", "expected", "pessimistic")
    }
    assert recalls == {"optimistic": 100.0, "expected": 50.0, "pessimistic": 0.0}


def test_constant_scores_are_at_chance():
    """The mistake that counts ties as won would make this 100 %."""
    ranks = rank_both_ways(np.zeros((50, 50)), np.arange(50))
    for of_direction in ranks.values():
        metrics = measure(of_direction, "expected")
        assert metrics.recall == pytest.approx({1: 2.0, 5: 10.0, 10: 20.0})
        assert metrics.mean_rank == 25.5


def test_the_published_median_of_videos_is_the_lower_one():
    ranks = np.array([1, 2, 4, 9])
    assert measure_published(ranks, "video_to_text").median_rank == 2
    assert measure_published(ranks, "text_to_video").median_rank == 3


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


def test_metrics_of_every_stream_and_direction(evaluated):
    fusion = evaluated.scores.metrics("fusion", "text_to_video", "expected")
    assert fusion.recall[1] == 100
    assert fusion.intervals()["R@1"] == (100, 100)
    low, high = evaluated.scores.metrics("rgb", "video_to_text", "expected").intervals()["R@1"]
    assert low <= 37.5 <= high


def test_chance_is_exact():
    """4 of 100 videos show the first sentence, all others one each."""
    gallery = build_gallery(
        "test", [str(v) for v in range(100)], ["a"] * 4 + list(map(str, range(96)))
    )
    chance = chance_metrics(gallery)
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
    spread = spread_of([evaluated.scores, other], "expected")
    of_fusion = spread["fusion"]["video_to_text"]["R@1"]
    assert of_fusion == pytest.approx({"mean": (100 + 37.5) / 2, "deviation": 62.5 / np.sqrt(2)})
    assert spread["rgb"]["video_to_text"]["R@1"] == {"mean": 37.5, "deviation": 0}


def test_mean_r1_is_of_both_directions(evaluated):
    scores = evaluated.scores
    assert scores.streams == ("fusion", "rgb")
    assert scores.mean_r1("fusion") == 100
    # By hand. V2T: certain, no, no, tied with one. T2V: [v1 wins] no, [v2 wins] no, [v1 wins] no.
    assert scores.mean_r1("rgb") == pytest.approx((100 * 1.5 / 4 + 0) / 2)


def test_ties_are_settled_by_the_rule(evaluated):
    def hits(rule):
        return evaluated.scores.metrics("rgb", "video_to_text", rule).hits[1].tolist()

    assert hits("optimistic") == [1, 0, 0, 1]
    assert hits("pessimistic") == [1, 0, 0, 0]
    assert hits("expected") == [1, 0, 0, 0.5]


def test_the_published_rule_counts_entries():
    """Two entries of one sentence: a query each, and one of them cannot be told from the other."""
    gallery = build_gallery("test", ["a", "b"], ["rain", "rain"], ["1", "2"])
    scores = SplitScores(gallery, {"rgb": np.array([[0.5], [0.4]], np.float32)})
    assert scores.metrics("rgb", "text_to_video", "published").ranks.tolist() == [1, 2]
    assert scores.metrics("rgb", "video_to_text", "published").ranks.tolist() == [1, 2]
    assert scores.metrics("rgb", "text_to_video", "expected").ranks.tolist() == [1]


def test_broken_scores_are_not_ranked(evaluated):
    broken = replace(evaluated.scores, scores={"rgb": np.full((4, 3), np.nan, np.float32)})
    with pytest.raises(ScoreError, match="not finite"):
        broken.mean_r1("rgb")


def test_sentences_are_unique_and_in_the_videos_order():
    gallery = build_gallery("dev", ["a", "b", "c", "d"], ["rain", "sun", "rain", "fog"])
    assert gallery.sentences == ("rain", "sun", "fog")
    assert gallery.text_of_video.tolist() == [0, 1, 0, 2]
    assert gallery.entry_of_video.tolist() == [0, 1, 0, 2]


def test_published_entries_may_share_a_sentence_but_hold_only_one():
    gallery = build_gallery("dev", "abcd", ["rain", "sun", "rain", "fog"], ["7", "9", "8", "9"])
    assert gallery.text_of_video.tolist() == [0, 1, 0, 2]
    assert gallery.entry_of_video.tolist() == [0, 1, 2, 3]


@pytest.fixture
def scores():
    """Two of three videos of rain are taken for wind; one of sun for rain; a tie is right."""
    texts = ["rain", "rain", "rain", "sun", "wind", "sun"]
    gallery = build_gallery("test", [f"v{number}" for number in range(6)], texts)
    values = [
        [0.2, 0.0, 0.5],
        [0.1, 0.0, 0.2],
        [0.9, 0.0, 0.1],
        [0.8, 0.1, 0.0],
        [0.3, 0.0, 0.3],
        [0.0, 0.4, 0.1],
    ]
    return SplitScores(gallery, {"pose": np.array(values, np.float32)})


def test_pairs_of_most_videos_come_first(scores):
    found = most_confused(scores, "pose", 10)
    assert [replace(confusion, margin=0.0) for confusion in found] == [
        Confusion("rain", "wind", 2, 3, 0.0),
        Confusion("sun", "rain", 1, 2, 0.0),
    ]
    assert [confusion.margin for confusion in found] == pytest.approx([0.2, 0.7])
    assert most_confused(scores, "pose", 1) == found[:1]


def test_of_equally_many_the_clearest_comes_first(scores):
    values = scores.scores["pose"].copy()
    values[1, 0] = 1.0
    found = most_confused(SplitScores(scores.gallery, {"pose": values}), "pose", 10)
    assert [(c.sentence, c.num_videos) for c in found] == [("sun", 1), ("rain", 1)]


def test_a_model_without_confusions_has_no_table(evaluated):
    assert confusion_table(evaluated) is None  # its fusion knows all answers
    rough = replace(evaluated, facts={"stage": "rgb"})
    assert confusion_table(rough).row_count == 2
