"""The paired test finds what is there, and not what is not."""

from itertools import product

import numpy as np
import pytest


def compared(first, second, group=None):
    from search.report.paired_test import paired_test

    first, second = (np.array(values, np.float64) for values in (first, second))
    return paired_test(first, second, np.arange(len(first)) if group is None else np.array(group))


def test_a_case_by_hand():
    # Four queries won, one lost, three equal: of 2^5 swaps, 12 are at least as far from zero.
    found = compared([0, 0, 0, 0, 1, 1, 1, 0], [1, 1, 1, 1, 0, 1, 1, 0])
    assert (found.first, found.second) == (37.5, 75)
    assert found.difference == 37.5
    assert (found.num_won, found.num_lost) == (4, 1)
    assert found.p_value == pytest.approx(12 / 32)


def test_small_samples_are_swapped_in_all_ways():
    generator = np.random.default_rng(5)
    first, second = generator.random((2, 7))
    differences = second - first
    swaps = [abs(np.dot(signs, differences)) for signs in product([-1, 1], repeat=7)]
    expected = np.mean(np.array(swaps) >= abs(differences.sum()) - 1e-9)
    assert compared(first, second).p_value == pytest.approx(expected)


def test_random_swaps_agree_with_the_binomial():
    from math import comb

    # 40 queries differ, 28 won: the sign test's two-sided tail.
    first = np.array([1] * 12 + [0] * 28 + [1] * 60)
    second = np.array([0] * 12 + [1] * 28 + [1] * 60)
    tail = sum(comb(40, n) for n in range(28, 41)) / 2**40
    assert compared(first, second).p_value == pytest.approx(2 * tail, abs=0.004)


def test_equal_models_have_p_1_and_no_width():
    found = compared([1, 0, 1], [1, 0, 1])
    assert found.p_value == 1
    assert found.interval == (0, 0)


def test_p_is_never_0():
    found = compared(np.zeros(200), np.ones(200))
    assert 0 < found.p_value < 0.001
    assert found.interval == (100, 100)


def test_queries_of_a_group_move_together():
    # Twenty videos of two sentences are hardly more than two queries.
    first, second = np.zeros(20), np.ones(20)
    assert compared(first, second).p_value < 0.001
    assert compared(first, second, [0] * 10 + [1] * 10).p_value == pytest.approx(0.5)


def test_the_interval_grows_with_groups():
    generator = np.random.default_rng(0)
    of_group = generator.integers(0, 2, 30).astype(float)
    second = np.repeat(of_group, 10)
    alone = compared(np.zeros(300), second).interval
    together = compared(np.zeros(300), second, np.repeat(np.arange(30), 10)).interval
    width = [high - low for low, high in (alone, together)]
    assert width[1] > 2 * width[0]
    assert together[0] < 100 * second.mean() < together[1]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        first, second = generator.random((2, 120)) < np.array([[0.5], [0.6]])
        low, high = compared(first, second).interval
        covered += low <= 10 <= high
    assert covered >= 52


def test_equally_good_models_are_rarely_found_to_differ():
    generator = np.random.default_rng(2)
    found = [compared(*(generator.random((2, 60)) < 0.5)).p_value < 0.05 for _ in range(100)]
    assert np.mean(found) <= 0.12
