import numpy as np
import pytest

from extract.interchange.signer_boxes import signer_square
from extract.videos.part import Crop


def square(*boxes, margin=0.0, width=1280, height=720):
    return signer_square(np.array(boxes, np.float32), margin, width, height)


def test_is_as_large_as_the_longer_side_around_the_middle():
    assert square([400, 100, 600, 500]) == Crop(300, 100, 400, 400)
    assert square([400, 100, 800, 300]) == Crop(400, 0, 400, 400)


def test_a_margin_is_added_on_both_ends():
    assert square([400, 200, 600, 500], margin=0.2) == Crop(290, 140, 420, 420)


def test_the_median_box_counts():
    usual, wrong = [400, 100, 600, 500], [0, 0, 1280, 720]
    assert square(usual, usual, wrong) == square(usual)
    assert square([300, 100, 500, 500], usual, [500, 100, 700, 500]) == square(usual)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([-20, 300, 80, 500], Crop(0, 300, 200, 200)),
        ([1200, 600, 1280, 720], Crop(1160, 600, 120, 120)),
        ([500, 0, 900, 720], Crop(340, 0, 720, 720)),
        ([0, 0, 1280, 720], Crop(280, 0, 720, 720)),
        ([10.2, 10.2, 10.3, 10.3], Crop(10, 10, 1, 1)),
    ],
)
def test_lies_inside_the_frame(box, expected):
    assert square(box) == expected


def test_a_frame_on_its_side():
    assert square([100, 500, 400, 1100], width=720, height=1280) == Crop(0, 500, 600, 600)
