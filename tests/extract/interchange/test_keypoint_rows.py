"""Keypoints become rows of a pose store without losing a bit."""

from pathlib import Path

import numpy as np

from extract.interchange.imported import VideoFacts
from extract.interchange.keypoint_video import keypoint_video, nobody_found
from seds_core.store.layout import row_arrays


def rows_of(keypoints):
    return keypoint_video(Path("v"), keypoints, VideoFacts(210, 260, 25.0)).rows


def test_rows_fit_the_layout_and_keep_every_bit():
    keypoints = np.random.default_rng(0).uniform(0, 200, (5, 133, 3)).astype(np.float32)
    keypoints[1, 3] = np.nan, -0.0, -1
    rows = rows_of(keypoints)
    for spec in row_arrays("pose", feature_dim=0, feature_dtype="float32", clip_frames=0):
        assert rows[spec.name].shape == (5, *spec.sizes)
        assert rows[spec.name].dtype == spec.dtype
    assert rows["keypoints"].tobytes() == keypoints.tobytes()
    assert rows["frame"].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(rows["person_box"]).all()


def test_one_seen_point_is_a_person_and_none_is_nobody():
    keypoints = nobody_found(3)
    keypoints[1, 132, 2] = 0.01
    keypoints[1, 132, :2] = 100
    assert rows_of(keypoints)["person_found"].tolist() == [False, True, False]
    assert np.isnan(keypoints[0, :, :2]).all()
    assert (keypoints[0, :, 2] == 0).all()
