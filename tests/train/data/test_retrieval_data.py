"""Splits, what is left out of them, and hands that are never seen."""

import json
import pickle

import numpy as np
import pytest

from reference.small_stores import (
    POSE,
    RGB,
    pose_video,
    rgb_video,
    signer,
    small_data_set,
    write_index,
    write_store,
)
from seds_core.errors import UsageError
from train.data.retrieval_data import SplitError, UnseenHands, count_unseen_hands, open_data
from train.settings import TrainSettings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    paths = small_data_set(tmp_path_factory.mktemp("data"))
    return open_data(TrainSettings(), "fusion", **paths)


def test_splits_are_in_the_order_of_the_index(data):
    assert [video.video_id for video in data.split("train")] == list("abcdef")
    assert [video.text for video in data.split("dev")] == ["rain in the north", "see you tomorrow"]
    assert data.warnings == ()


def test_an_unknown_split_lists_those_that_exist(data):
    with pytest.raises(SplitError, match=r"split 'test'.*'train' \(6\), 'dev' \(2\)"):
        data.split("test")


def test_an_index_without_splits(tmp_path):
    rgb = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 20)])
    index = write_index(tmp_path / "index.csv", [("a", "", "hello")])
    data = open_data(TrainSettings(), "rgb", index=index, rgb=rgb, pose=None)
    with pytest.raises(SplitError, match="none; the column split names"):
        data.split("train")


def test_what_is_left_out_is_told(tmp_path):
    rgb = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video(v, 20) for v in "abx"])
    lines = [(v, "train", "hello") for v in "acdef"] + [("b", "train", " ")]
    index = write_index(tmp_path / "index.csv", lines)
    data = open_data(TrainSettings(), "rgb", index=index, rgb=rgb, pose=None)
    assert [video.video_id for video in data.split("train")] == ["a"]
    assert data.warnings == (
        "videos of the index without usable rows in the stores, left out: 4 (c, d, e and 1 more)",
        "videos of the index without a sentence, left out: 1 (b)",
    )


def test_another_process_reads_the_same(data):
    sent, video = pickle.loads(pickle.dumps((data.reader, data.reader.locate("c"))))
    here, there = data.reader.read(video), sent.read(video)
    np.testing.assert_array_equal(there.rgb, here.rgb)
    np.testing.assert_array_equal(there.pose.right, here.pose.right)


def test_provenance_can_be_written_down(data):
    assert json.loads(json.dumps(data.provenance)) == data.provenance
    assert data.provenance.keys() == {"rgb", "pose"}


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
