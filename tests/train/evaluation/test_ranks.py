"""Where the correct answer stands, with ties; the release's way of counting."""

import json
from itertools import permutations

import numpy as np
import pytest
from shared_data import golden_path

from train.evaluation import ranks as ranks_module
from train.evaluation.metrics import measure_published
from train.evaluation.ranks import (
    DIRECTIONS,
    Ranks,
    ScoreError,
    best_candidates,
    chance_ranks,
    published_ranks,
    rank_both_ways,
)


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


GOLDEN_NAMES = {"text_to_video": "t2v", "video_to_text": "v2t"}


@pytest.mark.golden
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_published_figures(direction):
    golden = json.loads(golden_path("metrics.json").read_text())
    text_of_video = np.array(golden["text_of_video"])
    ranks = published_ranks(np.array(golden["sim"]), text_of_video, text_of_video)
    ours = measure_published(ranks[direction], direction)
    figures = {f"R{k}": recall for k, recall in ours.recall.items()} | {
        "MR": ours.median_rank,
        "MedianR": ours.median_rank,
        "MeanR": ours.mean_rank,
        "Std_Rank": ours.rank_deviation,
    }
    published = golden[GOLDEN_NAMES[direction]]
    assert published.keys() <= figures.keys()
    # Some of the published figures were computed in single precision.
    assert {name: np.float32(figures[name]) for name in published} == {
        name: np.float32(value) for name, value in published.items()
    }


def slow_published(scores, text_of_video, entry_of_video):
    """The rule in loops: sorted lists, and all places of the correct value."""
    num_entries = max(entry_of_video) + 1
    videos = [np.flatnonzero(entry_of_video == e) for e in range(num_entries)]
    sentence = [text_of_video[v[0]] for v in videos]
    text_to_video = []
    for entry in range(num_entries):
        best = [max(scores[v, sentence[entry]] for v in own) for own in videos]
        order = sorted(best, reverse=True)
        text_to_video += [i + 1 for i, value in enumerate(order) if value == best[entry]]
    video_to_text = []
    for row, entry in zip(scores, entry_of_video, strict=True):
        order = sorted(range(num_entries), key=lambda e, row=row: (-row[sentence[e]], e))
        video_to_text.append(order.index(entry) + 1)
    return {"text_to_video": text_to_video, "video_to_text": video_to_text}


def test_the_rule_with_ties_and_entries_that_share_a_sentence():
    generator = np.random.default_rng(5)
    entry_of_video = generator.permutation(np.concatenate([np.arange(12), [0, 3, 3, 11]]))
    text_of_entry = np.array([0, 1, 2, 3, 4, 5, 6, 6, 6, 0, 7, 8])
    text_of_video = text_of_entry[entry_of_video]
    scores = generator.integers(0, 6, (16, 9)).astype(np.float32)
    fast = published_ranks(scores, text_of_video, entry_of_video)
    slow = slow_published(scores, text_of_video, entry_of_video)
    assert {direction: ranks.tolist() for direction, ranks in fast.items()} == slow
    assert len(fast["text_to_video"]) > 12


def test_two_tied_entries_give_three_ranks():
    scores = np.array([[0.5, 0.1], [0.5, 0.2]])
    ranks = published_ranks(scores, np.arange(2), np.arange(2))["text_to_video"]
    assert ranks.tolist() == [1, 2, 1]


def test_a_sentence_ranks_entries_and_not_videos():
    """Two videos of one other sentence stand above the correct one: two places, or one."""
    scores = np.array([[0.1, 0.0], [0.2, 0.9], [0.3, 0.8]])
    text_of_video = np.array([0, 1, 1])
    published = published_ranks(scores, text_of_video, text_of_video)["text_to_video"]
    assert published.tolist() == [2, 1]
    assert rank_both_ways(scores, text_of_video)["text_to_video"].optimistic.tolist() == [3, 1]
