"""A two-bone arm reaches what it can and keeps its lengths."""

import numpy as np

from extract.demo.signer import bend_arm

UPPER, LOWER = 0.85, 0.7
SHOULDER = np.array([[0.5, 0.0, 0.0]])


def bend(target):
    elbow, wrist = bend_arm(SHOULDER, np.array([target], dtype=float), UPPER, LOWER)
    return elbow[0], wrist[0]


def test_reaches_targets_in_signing_space_with_constant_bones():
    targets = np.random.default_rng(0).uniform((-0.3, -0.7, 0.2), (1.0, 1.0, 0.9), (200, 3))
    shoulders = np.repeat(SHOULDER, len(targets), axis=0)
    reachable = np.linalg.norm(targets - shoulders, axis=1) < UPPER + LOWER - 0.02
    elbow, wrist = bend_arm(shoulders, targets, UPPER, LOWER)
    assert reachable.sum() > 150
    np.testing.assert_allclose(wrist[reachable], targets[reachable], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(elbow - shoulders, axis=1), UPPER)
    np.testing.assert_allclose(np.linalg.norm(wrist - elbow, axis=1), LOWER)


def test_a_target_out_of_reach_is_approached_in_a_straight_line():
    elbow, wrist = bend((0.5, 5.0, 0.0))
    assert np.linalg.norm(wrist - SHOULDER[0]) > 0.99 * (UPPER + LOWER)
    np.testing.assert_allclose(wrist[[0, 2]], [0.5, 0.0], atol=1e-9)
    assert elbow[1] > 0


def test_the_elbow_hangs_below_and_outside():
    elbow, wrist = bend((0.5, -0.3, 0.5))
    assert elbow[1] > max(wrist[1], 0)
    assert elbow[0] > 0.5
