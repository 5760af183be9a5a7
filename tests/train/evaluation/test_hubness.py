"""Scores without hubs, fitted to a bank of other queries."""

import numpy as np
import pytest

from train.evaluation.hubness import (
    BETA,
    NORMALISATIONS,
    activated,
    bank_statistics,
    normalised,
)
from train.evaluation.metrics import BankScores, SplitScores, build_gallery


def made_up(queries, candidates, seed=0):
    return np.random.default_rng(seed).normal(0.3, 0.1, (queries, candidates))


def test_mean_and_spread_of_the_bank_are_taken_off():
    bank = np.array([[0.1, 0.5], [0.3, 0.9]])
    scores = np.array([[0.4, 0.7]])
    assert normalised(scores, bank, "mean") == pytest.approx(np.array([[0.2, 0.0]]))
    assert normalised(scores, bank, "spread") == pytest.approx(np.array([[2.0, 0.0]]))


def test_a_candidate_that_is_near_to_everything_is_first_no_more():
    bank = made_up(50, 4)
    bank[:, 2] += 0.4
    scores = np.array([[0.5, 0.3, 0.6, 0.3]])
    assert scores.argmax() == 2
    for how in NORMALISATIONS:
        assert normalised(scores, bank, how).argmax() == 0, how


def published(bank, scores):
    """Query-bank normalisation as its release computes it, query by query."""
    first = set(bank.argmax(axis=1).tolist())
    found = np.exp(scores * BETA)
    for row, of_query in enumerate(scores):
        if int(of_query.argmax()) in first:
            found[row] /= np.exp(bank * BETA).sum(axis=0)
    return found


def test_query_bank_normalisation_orders_as_its_release_does():
    # So few queries in the bank that some candidates are first for none of them.
    bank, scores = made_up(5, 30), made_up(40, 30, seed=1)
    found, expected = normalised(scores, bank, "query_bank"), published(bank, scores)
    assert (np.argsort(-found, axis=1) == np.argsort(-expected, axis=1)).all()
    is_changed = activated(bank)[scores.argmax(axis=1)]
    assert 0 < is_changed.sum() < 40
    assert (found[~is_changed] == scores[~is_changed]).all()


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_no_query_has_a_part_in_what_another_one_scores(how):
    bank, scores = made_up(20, 10), made_up(6, 10, seed=1)
    together = normalised(scores, bank, how)
    for row in range(len(scores)):
        assert (normalised(scores[row : row + 1], bank, how) == together[row]).all()


def test_the_order_of_one_candidates_scores_stays():
    bank = made_up(20, 10)
    bank[:, 3] = 0.5  # without any spread
    for how in NORMALISATIONS:
        slope, offset = bank_statistics(bank).map_of(how)
        assert (slope > 0).all()
        assert np.isfinite(slope).all()
        assert np.isfinite(offset).all()


def test_large_scores_overflow_nothing():
    statistics = bank_statistics(np.array([[900.0], [1000.0]]))
    assert statistics.soft_mean[0] == pytest.approx(1000 - np.log(2) / BETA)


def test_each_direction_has_candidates_of_its_own():
    gallery = build_gallery("test", ["a", "b", "c"], ["sun", "rain", "sun"])
    scores = made_up(3, 2).astype(np.float32)
    bank = BankScores(made_up(3, 7, 1).astype(np.float32), made_up(5, 2, 2).astype(np.float32))
    split = SplitScores(gallery, {"rgb": scores}, {"rgb": bank})
    of_videos = split.normalised("mean", "text_to_video").scores["rgb"]
    assert of_videos == pytest.approx(scores - bank.of_videos.mean(axis=1, keepdims=True), abs=1e-6)
    of_sentences = split.normalised("mean", "video_to_text").scores["rgb"]
    assert of_sentences == pytest.approx(scores - bank.of_sentences.mean(axis=0), abs=1e-6)
