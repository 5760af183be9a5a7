from dataclasses import replace

import numpy as np
import pytest
from finished_videos import RGB, finished

from seds_core.store.provenance import StoreMismatchError
from seds_core.store.records import FinishedVideo
from seds_core.store.writer import StoreWriter
from train.data.store_pair import open_pair

POSE = replace(RGB, kind="pose", feature_dim=0)


def pose_video(video_id, content="c0"):
    rows = {
        "keypoints": np.zeros((3, 133, 3), np.float32),
        "person_found": np.ones(3, bool),
        "person_box": np.zeros((3, 4), np.float32),
        "frame": np.arange(3, dtype=np.int32),
    }
    return FinishedVideo(finished(video_id, content=content).source, rows)


def write(path, provenance, videos):
    with StoreWriter(path, provenance) as writer:
        writer.want(video.source.video_id for video in videos)
        for video in videos:
            writer.claim()
            writer.finish(video)
    return path


def test_videos_of_both_stores_and_warnings(tmp_path):
    random = replace(RGB, weights=RGB.weights | {"is_random": True})
    rgb = write(tmp_path / "rgb.zarr", random, [finished(v) for v in "abc"])
    pose = write(tmp_path / "pose.zarr", POSE, [pose_video("c"), pose_video("b", "c1")])
    pair = open_pair(rgb, pose)
    assert pair.video_ids == ("c",)
    assert pair.only_in_one == {"a"}
    assert pair.from_other_sources == {"b"}
    assert len(pair.warnings) == 3
    assert "RANDOM weights" in pair.warnings[0]


def test_stores_of_one_kind_are_refused(tmp_path):
    rgb = write(tmp_path / "rgb.zarr", RGB, [finished("a")])
    with pytest.raises(StoreMismatchError, match="is a rgb store where a pose store is needed"):
        open_pair(rgb, rgb)


def test_other_timelines_are_refused(tmp_path):
    rgb = write(tmp_path / "rgb.zarr", RGB, [finished("a")])
    other = replace(POSE, settings={"frames": {"max_frames": None}})
    pose = write(tmp_path / "pose.zarr", other, [pose_video("a")])
    with pytest.raises(StoreMismatchError, match=r"'max_frames': 300.*'max_frames': None"):
        open_pair(rgb, pose)


def test_videos_read_with_another_number_of_frames_do_not_fit(tmp_path):
    rgb = write(tmp_path / "rgb.zarr", RGB, [finished(v) for v in "ab"])
    longer = pose_video("b")
    longer = replace(longer, source=replace(longer.source, num_frames=21))
    pose = write(tmp_path / "pose.zarr", POSE, [pose_video("a"), longer])
    assert open_pair(rgb, pose).from_other_sources == {"b"}
