"""Medians over visible points, part by part."""

import numpy as np

from extract.demo.pose_error import median_errors


def test_only_visible_points_count():
    errors = np.zeros((2, 133))
    errors[:, 91:] = 4.0
    errors[:, 23:91] = 1.0
    errors[:, :17] = 90.0
    is_visible = np.ones((2, 133), dtype=bool)
    is_visible[:, :23] = False
    medians = median_errors(errors, is_visible)
    assert medians["hands"] == 4.0
    assert medians["face"] == 1.0
    assert np.isnan(medians["body"])
    assert medians["all"] == 1.0
