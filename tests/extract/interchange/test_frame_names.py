"""Names of images say which frame they are, in any data set's way of naming them."""

import pytest

from extract.interchange.published_files import PUBLISHED_NAMES, FrameNames


@pytest.mark.parametrize(
    ("names", "template", "first"),
    [
        (["images0001.png", "images0002.png"], "images%04d.png", 1),
        (["000000.jpg", "000001.jpg"], "%06d.jpg", 0),
        (["frame_10.jp2", "frame_9.jp2", "frame_1.jp2"], "frame_%d.jp2", 1),
        (["v2/50%/img0.png"], "v2/50%%/img%d.png", 0),
        (["0001_left.png"], "%04d_left.png", 1),
    ],
)
def test_names_and_numbers_are_told_from_each_other(names, template, first):
    found = FrameNames.like(names)
    assert found == FrameNames(template, first)
    assert [found.name(frame) for frame in found.frames(names).tolist()] == names


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "no images"),
        (["images0005.png"], "numbered from 5 on"),
        (["front.png"], "no number"),
        (["1234567890.png"], "no number that a frame may have"),
    ],
)
def test_names_that_do_not_tell_the_first_frame(names, problem):
    with pytest.raises(ValueError, match=problem):
        FrameNames.like(names)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("images0000.png", "not named like others"),
        ("images0003.jpg", "not named like others"),
        ("images003.png", "not named like others"),
        ("images9999999.png", "not named like others"),
        ("front.png", "no number"),
        ("images0001.png", "twice"),
    ],
)
def test_a_name_that_does_not_fit(name, problem):
    with pytest.raises(ValueError, match=problem):
        PUBLISHED_NAMES.frames(["images0001.png", name])


def test_frames_keep_the_order_of_their_names():
    names = ["images0004.png", "images0001.png", "images10000.png"]
    assert PUBLISHED_NAMES.frames(names).tolist() == [3, 0, 9999]
