from itertools import permutations

import numpy as np
import pytest

from train.evaluation import ranks as ranks_module
from train.evaluation.ranks import Ranks, ScoreError, best_candidates, chance_ranks, rank_both_ways


@pytest.fixture
def coarse():
    """Scores of 23 videos and 9 sentences with many ties, and each video's sentence."""
    generator = np.random.default_rng(3)
    texts = np.concatenate([np.arange(9), generator.integers(0, 9, 14)])
    return generator.integers(0, 5, (23, 9)).astype(np.float32), generator.permutation(texts)


def slow_ranks(scores, is_correct):
    """Optimistic, pessimistic and expected rank of one query by going through all candidates."""
    best = max(score for score, correct in zip(scores, is_correct, strict=True) if correct)
    better = wrong = right = 0
    for score, correct in zip(scores, is_correct, strict=True):
        better += score > best
        wrong += score == best and not correct
        right += score == best and correct
    orders = [min(np.flatnonzero(o)) + 1 for o in permutations([False] * wrong + [True] * right)]
    return better + 1, better + 1 + wrong, better + np.mean(orders), better + np.array(orders)


def slow_queries(direction, scores, text_of_video):
    if direction == "text_to_video":
        return [(scores[:, t], text_of_video == t) for t in range(scores.shape[1])]
    return [(row, np.arange(len(row)) == t) for row, t in zip(scores, text_of_video, strict=True)]


@pytest.mark.parametrize("direction", ["text_to_video", "video_to_text"])
@pytest.mark.parametrize("block_values", [2**22, 20])
def test_ranks_are_those_of_the_double_loop(coarse, direction, block_values, monkeypatch):
    monkeypatch.setattr(ranks_module, "BLOCK_VALUES", block_values)
    scores, text_of_video = coarse
    ranks = rank_both_ways(scores, text_of_video)[direction]
    queries = [
        slow_ranks(*limited(query)) for query in slow_queries(direction, scores, text_of_video)
    ]
    assert ranks.optimistic.tolist() == [q[0] for q in queries]
    assert ranks.pessimistic.tolist() == [q[1] for q in queries]
    np.testing.assert_allclose(ranks.expected, [q[2] for q in queries], rtol=1e-12)
    for k in (1, 2, 3, 5, 10, 30):
        within = [np.mean(q[3] <= k) for q in queries]
        np.testing.assert_allclose(ranks.probability_within(k), within, atol=1e-12)


def limited(query):
    """The query itself: the double loop tries all orders, which 8 tied candidates still allow."""
    scores, is_correct = query
    assert np.count_nonzero(scores == scores[is_correct].max()) <= 8
    return query


def test_by_hand():
    """Video 2 and 3 show sentence 1; video 0 is tied with both of them for it."""
    scores = np.array([[0.9, 0.5], [0.1, 0.7], [0.2, 0.5], [0.9, 0.5]])
    text_of_video = np.array([0, 0, 1, 1])
    ranks = rank_both_ways(scores, text_of_video)
    asked = ranks["text_to_video"]
    assert asked.num_better.tolist() == [0, 1]
    assert asked.num_tied_wrong.tolist() == [1, 1]
    assert asked.num_tied_correct.tolist() == [1, 2]
    assert asked.expected.tolist() == [1.5, 2 + 1 / 3]
    assert asked.best_correct.tolist() == [0, 2]
    assert asked.top_candidate.tolist() == [0, 1]
    np.testing.assert_allclose(asked.probability_within(2), [1, 2 / 3])
    shown = ranks["video_to_text"]
    assert shown.optimistic.tolist() == [1, 2, 1, 2]
    assert shown.best_correct.tolist() == [0, 0, 1, 1]
    assert shown.top_candidate.tolist() == [0, 1, 1, 0]


def test_the_order_of_candidates_decides_nothing(coarse):
    scores, text_of_video = coarse
    shuffled = np.random.default_rng(0).permutation(len(scores))
    before = rank_both_ways(scores, text_of_video)
    after = rank_both_ways(scores[shuffled], text_of_video[shuffled])
    for name in ("num_better", "num_tied_wrong", "num_tied_correct"):
        np.testing.assert_array_equal(
            getattr(before["text_to_video"], name), getattr(after["text_to_video"], name)
        )


def test_chance_is_what_drawing_at_random_gives():
    """One sentence has 3 of 5 videos: the first correct one of a random order."""
    text_of_video = np.array([0, 1, 1, 1, 2])
    chance = chance_ranks(3, text_of_video)["text_to_video"]
    orders = [
        min(place for place, v in enumerate(o) if v) + 1 for o in permutations([0, 1, 1, 1, 0])
    ]
    assert chance.expected[1] == pytest.approx(np.mean(orders))
    assert chance.probability_within(1)[1] == pytest.approx(3 / 5)
    assert chance.probability_within(2)[1] == pytest.approx(np.mean(np.array(orders) <= 2))
    shown = chance_ranks(3, text_of_video)["video_to_text"]
    assert shown.probability_within(2)[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(coarse, value):
    scores, text_of_video = coarse
    scores[22, 8] = value
    with pytest.raises(ScoreError, match="not finite"):
        rank_both_ways(scores, text_of_video)


@pytest.mark.parametrize("text_of_video", [[0, 0, 0], [0, 1, 2], [0, -1, 1]])
def test_a_sentence_without_video_is_refused(text_of_video):
    with pytest.raises(ScoreError, match="each of the 2 sentences"):
        rank_both_ways(np.zeros((3, 2)), np.array(text_of_video))


def test_cut_offs_beyond_the_gallery_are_always_reached():
    ranks = Ranks(*(np.array([value]) for value in (2, 1, 1, 0, 0)))
    assert ranks.probability_within(100) == 1


def test_best_candidates_are_those_of_a_stable_sort(monkeypatch):
    scores = np.random.default_rng(0).integers(0, 6, (9, 14)).astype(np.float32)
    monkeypatch.setattr(ranks_module, "BLOCK_VALUES", 30)  # blocks of two queries
    for matrix in (scores, scores.T):  # also where queries are columns
        for count in (1, 10, 99):
            expected = np.argsort(-matrix, axis=1, kind="stable")[:, :count]
            places, values = best_candidates(matrix, count)
            assert np.array_equal(places, expected)
            assert np.array_equal(values, np.take_along_axis(matrix, expected, axis=1))
    assert scores.min() == 0  # nothing was written into them
