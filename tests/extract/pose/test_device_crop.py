"""Regions cut out on a device are those of OpenCV, to the bit."""

import cv2
import numpy as np
import pytest
import torch

from extract.pose.device_crop import cut_out, warped

SIZE = 48, 64


def random_case(seed, *, turned):
    """A frame, and a matrix that shows about all of it."""
    random = np.random.default_rng(seed)
    height, width = random.integers(20, 150, 2)
    frame = random.integers(0, 256, (height, width, 3), np.uint8)
    angle = random.uniform(-180, 180) if turned else 0.0
    scale = random.uniform(0.3, 3.0)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += random.uniform(-20, 20, 2)
    return frame, matrix


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_gives_the_pixels_of_opencv(seed, turned):
    frame, matrix = random_case(seed, turned=turned)
    [region] = warped(torch.from_numpy(frame[None]), [matrix], SIZE)
    expected = cv2.warpAffine(frame, matrix, SIZE, flags=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(region.permute(1, 2, 0).numpy(), expected)


def test_frames_of_one_pass_have_matrices_of_their_own():
    cases = [random_case(seed, turned=False) for seed in range(3)]
    frames = [cases[0][0]] * 3
    matrices = [matrix for _, matrix in cases]
    together = warped(torch.from_numpy(np.stack(frames)), matrices, SIZE)
    assert torch.equal(together, cut_out(frames, matrices, SIZE, torch.device("cpu")))
    assert not torch.equal(together[0], together[1])


def test_a_region_that_is_cut_already_stays_as_it_is():
    frame = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    [region] = cut_out([frame], [None], SIZE, torch.device("cpu"))
    np.testing.assert_array_equal(region.permute(1, 2, 0).numpy(), frame)
