"""Probabilities of answers, and queries without one."""

import numpy as np
import pytest

from train.evaluation.calibration import (
    BEST_ANSWERS,
    FEWEST_QUERIES,
    AnswerScores,
    MatchCalibration,
    answer_scores,
    auroc,
    certainty_of,
    fit_calibration,
    known_or_unknown,
    reliability,
)
from train.evaluation.metrics import SplitScores, build_gallery

RIGHT, WRONG, DEVIATION = 0.7, 0.4, 0.1


def drawn(queries, answers, seed=0, right=RIGHT):
    """Right and wrong scores are normal with one deviation: log r(s) is linear in s."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(WRONG, DEVIATION, (queries, answers))
    places = generator.integers(0, answers, queries)
    scores[np.arange(queries), places] += right - WRONG
    return AnswerScores(scores, places)


def test_a_sentence_scores_as_its_best_video():
    gallery = build_gallery("test", ["a", "b", "c"], ["sun", "rain", "sun"])
    scores = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.1]], np.float32)
    found = answer_scores(scores, gallery, "text_to_video")
    assert found.scores == pytest.approx(np.array([[0.5, 0.3], [0.2, 0.4]]))
    assert found.right.tolist() == [0, 1]
    assert answer_scores(scores, gallery, "video_to_text").right.tolist() == [0, 1, 0]


def test_auroc_is_the_share_of_pairs_in_their_order():
    generator = np.random.default_rng(0)
    known, unknown = generator.integers(2, 9, 40) / 10.0, generator.integers(0, 7, 30) / 10.0
    pairs = known[:, None] - unknown
    expected = (pairs > 0).mean() + (pairs == 0).mean() / 2
    assert auroc(known, unknown) == pytest.approx(expected)


def test_an_unknown_query_is_one_whose_answer_was_taken_out():
    answers = AnswerScores(np.array([[0.9, 0.2, 0.1], [0.3, 0.5, 0.4]]), np.array([0, 1]))
    found = known_or_unknown(answers)
    # Known: 0.9 and 0.5; unknown: 0.2 and 0.4.
    assert found.auroc == 1
    assert found.interval == (1, 1)
    mixed = AnswerScores(np.array([[0.9, 0.7], [0.3, 0.5]]), np.array([0, 1]))
    assert known_or_unknown(mixed).auroc == 0.75
    assert known_or_unknown(AnswerScores(np.ones((3, 1)), np.zeros(3, int))) is None


def test_the_interval_holds_the_truth_of_a_larger_sample():
    many = drawn(20_000, 8, seed=9)
    truth = auroc(many.scores.max(axis=1), many.without_right.max(axis=1))
    small = known_or_unknown(drawn(200, 8))
    assert small.interval[0] < truth < small.interval[1]
    assert 0.02 < small.interval[1] - small.interval[0] < 0.1


def test_the_fit_finds_what_the_scores_were_drawn_by():
    found = fit_calibration(drawn(5000, 8))
    sharpness = (RIGHT - WRONG) / DEVIATION**2
    assert found.sharpness == pytest.approx(sharpness, rel=0.05)
    assert found.none_logit == pytest.approx(sharpness * (RIGHT + WRONG) / 2, rel=0.05)


def test_probabilities_hold_on_queries_that_were_not_fitted():
    held = reliability(fit_calibration(drawn(5000, 20)), drawn(5000, 20, seed=1))
    assert held.error < 0.01
    for said, found, count in zip(held.predicted, held.found, held.counts, strict=True):
        assert said == pytest.approx(found, abs=0.02 + 2 / count**0.5)
    assert sum(held.counts) == 2 * 5000 * BEST_ANSWERS
    assert held.known_denied < 0.05
    assert held.unknown_denied > 0.2


def test_probabilities_hold_among_more_answers_than_were_fitted():
    held = reliability(fit_calibration(drawn(5000, 10)), drawn(3000, 200, seed=1))
    assert held.error < 0.01


def test_with_none_probabilities_are_one_and_follow_bayes():
    calibration = MatchCalibration(30.0, 16.5)
    best = np.array([[0.7, 0.6, -np.inf]])
    hits, none = calibration.probabilities(best, np.array([50]))
    ratios = np.exp(30.0 * best - 16.5)
    assert hits == pytest.approx(ratios / (ratios.sum() + 50))
    assert hits.sum() + none[0] == pytest.approx(1)
    more = calibration.probabilities(best, np.array([5000]))[0]
    assert more[0, 0] < hits[0, 0]


def test_right_answers_that_are_always_first_are_not_certain():
    scores = np.full((30, 30), 0.1) + 0.8 * np.eye(30)
    found = fit_calibration(AnswerScores(scores, np.arange(30)))
    hits, none = found.probabilities(np.array([[0.9] + [0.1] * 9]), np.array([30]))
    assert 0.9 < hits[0, 0] < 1 - 1e-6
    assert none[0] > 1e-6


def test_what_cannot_be_fitted_gives_no_probabilities():
    assert fit_calibration(drawn(FEWEST_QUERIES - 1, 8)) is None
    assert fit_calibration(drawn(500, 8, right=0.1)) is None
    assert fit_calibration(AnswerScores(np.ones((40, 1)), np.zeros(40, int))) is None


def test_a_split_of_one_sentence_is_certain_of_nothing():
    gallery = build_gallery("test", ["a", "b"], ["sun", "sun"])
    scores = SplitScores(gallery, {"rgb": np.ones((2, 1), np.float32)})
    assert certainty_of(scores, "rgb", "video_to_text") is None
