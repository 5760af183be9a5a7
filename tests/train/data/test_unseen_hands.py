import numpy as np
import pytest
from small_stores import POSE, pose_video, signer, small_data_set, write_index, write_store

from seds_core.errors import UsageError
from train.data.retrieval_data import UnseenHands, count_unseen_hands, open_data
from train.settings import TrainSettings


def video(video_id, hidden):
    keypoints = signer(20, np.random.default_rng(0))
    keypoints[:, hidden, 2] = 0
    return pose_video(video_id, 20, keypoints)


LEFT = [5, 7, 9, *range(91, 112)]
RIGHT = [6, 8, 10, *range(112, 133)]


def test_videos_without_a_hand_are_counted(tmp_path):
    videos = [video("a", []), video("b", LEFT), video("c", RIGHT), video("d", LEFT + RIGHT)]
    pose = write_store(tmp_path / "pose.zarr", POSE, videos)
    index = write_index(tmp_path / "index.csv", [(v, "train", "hello") for v in "abcd"])
    data = open_data(TrainSettings(), "pose", index=index, rgb=None, pose=pose)
    counted = count_unseen_hands(data, data.split("train"))
    assert counted == UnseenHands(num_videos=4, without_right=2, without_left=2, without_both=1)
    assert str(counted) == (
        "of 4 videos, 2 never show a usable right hand, 2 a left one, 1 neither"
    )


def test_a_stage_without_keypoints_has_no_hands_to_count(tmp_path):
    data = open_data(TrainSettings(), "rgb", **small_data_set(tmp_path))
    with pytest.raises(UsageError, match="pose store"):
        count_unseen_hands(data, data.split("train"))
