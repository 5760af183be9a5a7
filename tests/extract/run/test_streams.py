from pathlib import Path

import pytest
from small_stores import WHOLE_POSE, whole_pose_video, write_store

from extract.run.streams import load_stream, resolve_device
from extract.settings import ExtractSettings
from seds_core.errors import UsageError

HANDS = ExtractSettings.model_validate({"rgb": {"frames": "hands", "weights": "random"}})
ALL = ExtractSettings.model_validate({"rgb": {"weights": "random"}})


def test_frames_with_hands_need_a_pose_store():
    with pytest.raises(UsageError, match=r"--pose STORE.*--frames all"):
        load_stream("rgb", HANDS, "cpu")


def test_a_pose_store_that_would_not_be_used_is_refused():
    with pytest.raises(UsageError, match=r"pose\.zarr would not be used.*--frames hands"):
        load_stream("rgb", ALL, "cpu", Path("pose.zarr"))


def test_the_stream_has_the_store_and_the_rules(tmp_path):
    path = write_store(tmp_path / "pose.zarr", WHOLE_POSE, [whole_pose_video("a", 20)])
    stream = load_stream("rgb", HANDS, "cpu", path)
    assert (stream.kept_frames.pose.path, stream.kept_frames.rules) == (path, "custom")
    assert load_stream("rgb", ALL, "cpu").kept_frames is None


def test_a_gpu_that_is_not_there_is_named():
    assert resolve_device("cpu") == "cpu"
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="sees no GPU; use cpu"):
            resolve_device("cuda:1")
