"""The baselines of single signs: what time warping and the signer's measure are blind to."""

import numpy as np
import pytest
from sign_baselines import WIDEST_WARP, described_frames, warped_distance


def plainly_warped(first, second):
    """The recurrence of dynamic time warping, cell by cell."""
    rows, columns = len(first), len(second)
    reached = np.full((rows + 1, columns + 1), np.inf)
    reached[0, 0] = 0
    for r in range(rows):
        for c in range(columns):
            if abs(r / rows - c / columns) > WIDEST_WARP:
                continue
            cost = np.linalg.norm(first[r] - second[c])
            reached[r + 1, c + 1] = min(
                reached[r, c] + 2 * cost, reached[r, c + 1] + cost, reached[r + 1, c] + cost
            )
    return reached[rows, columns] / (rows + columns)


@pytest.mark.parametrize("lengths", [(1, 1), (1, 7), (9, 5), (20, 33)])
def test_time_warping_is_the_plain_recurrence(lengths):
    generator = np.random.default_rng(0)
    first, second = (generator.standard_normal((length, 4)) for length in lengths)
    assert warped_distance(first, second) == pytest.approx(plainly_warped(first, second))


def test_a_slower_take_is_nearer_than_another_motion():
    way = np.linspace(0, 1, 20)[:, None] * [1.0, 2.0]
    slower = np.linspace(0, 1, 31)[:, None] * [1.0, 2.0]
    assert warped_distance(way, slower) < 0.2 * warped_distance(way, way[::-1])


def test_a_signer_is_described_alike_wherever_and_however_large():
    generator = np.random.default_rng(1)
    keypoints = np.concatenate(
        [generator.uniform(100, 200, (10, 133, 2)), np.ones((10, 133, 1))], axis=-1
    )
    moved = keypoints * [1.5, 1.5, 1.0] + [40.0, -30.0, 0.0]
    np.testing.assert_allclose(described_frames(moved), described_frames(keypoints), atol=1e-9)


def test_what_is_not_seen_is_zero():
    keypoints = np.zeros((3, 133, 3))
    keypoints[:, :17] = [50.0, 60.0, 1.0]
    keypoints[:, 91:] = np.nan
    frames = described_frames(keypoints)
    assert frames.shape == (3, 2 * (7 + 21 + 21))
    assert not frames.any()
