import json
import pickle

import numpy as np
import pytest
from small_stores import RGB, rgb_video, small_data_set, write_index, write_store

from train.data.retrieval_data import SplitError, open_data
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
    np.testing.assert_array_equal(there.pose.frames.right, here.pose.frames.right)


def test_provenance_can_be_written_down(data):
    assert json.loads(json.dumps(data.provenance)) == data.provenance
    assert data.provenance.keys() == {"rgb", "pose"}
