import numpy as np

from extract.inspection.pictures import (
    BODY_COLOUR,
    draw_clip_bar,
    draw_keypoints,
    write_label,
)


def grey_frame():
    return np.full((100, 200, 3), 128, np.uint8)


def shoulders(confidence):
    keypoints = np.full((133, 3), np.nan, np.float32)
    keypoints[:, 2] = 0
    keypoints[5] = (150, 50, confidence)
    keypoints[6] = (50, 50, confidence)
    return keypoints


def test_a_line_is_drawn_where_both_ends_are_sure():
    picture = draw_keypoints(grey_frame(), shoulders(0.9))
    assert tuple(picture[50, 100]) == BODY_COLOUR
    assert tuple(picture[80, 100]) == (128, 128, 128)


def test_weak_points_and_nobody_leave_the_frame_as_it_is():
    for confidence in (0.05, 0.0):
        np.testing.assert_array_equal(
            draw_keypoints(grey_frame(), shoulders(confidence)), grey_frame()
        )


def test_the_clip_bar_is_bright_in_the_clips_of_the_frame():
    starts = np.array([0, 50], np.int32)
    picture = draw_clip_bar(grey_frame(), 10, 100, starts, starts + np.int32(50))
    first, second = picture[100], picture[-2]
    assert first[:99].max() > 200
    assert first[101:].max() == 24
    assert second[:100].max() in (24, 255)  # nothing but the mark of the present frame
    assert 24 < second[101:].max() < 200


def test_a_label_can_be_read_on_any_background():
    picture = grey_frame()
    write_label(picture, "frame 7")
    assert picture.min() < 40
    assert picture.max() > 215
