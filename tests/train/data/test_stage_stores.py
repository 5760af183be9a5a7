from dataclasses import replace

import pytest
from small_stores import CLIPS, FRAMES, POSE, RGB, pose_video, rgb_video, write_store

from seds_core.store.provenance import StoreMismatchError
from train.batches import ClipLayout
from train.data.stage_stores import StageStoresError, open_stage_stores
from train.settings import KeypointSettings

ALL = KeypointSettings(max_clips=9, clip_length=12)
HANDS = KeypointSettings(max_clips=9, clip_length=12, frames="hands")


@pytest.fixture
def rgb(tmp_path):
    return write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 30), rgb_video("b", 30)])


@pytest.fixture
def pose(tmp_path):
    return write_store(tmp_path / "pose.zarr", POSE, [pose_video("b", 30), pose_video("c", 30)])


def test_fusion_needs_both_and_takes_the_sizes_of_the_rgb_store(rgb, pose):
    stores = open_stage_stores("fusion", ALL, rgb=rgb, pose=pose)
    assert stores.layout == ClipLayout(num_slots=6, clip_length=16, rgb_dim=8)
    assert stores.video_ids == {"b"}
    assert stores.warnings == ("2 videos are in one store only and are left out",)
    assert stores.provenance["rgb"]["settings"] == RGB.settings
    assert stores.provenance["pose"]["path"] == str(pose)


def test_rgb_does_not_look_at_the_pose_store(rgb, tmp_path):
    stores = open_stage_stores("rgb", HANDS, rgb=rgb, pose=tmp_path / "no such store")
    assert stores.layout == ClipLayout(6, 16, 8)
    assert stores.video_ids == {"a", "b"}
    assert stores.pose is None


def test_pose_takes_its_clips_from_an_rgb_store(rgb, pose):
    stores = open_stage_stores("pose", ALL, rgb=rgb, pose=pose)
    assert stores.layout == ClipLayout(6, 16, None)
    assert stores.video_ids == {"b"}


@pytest.mark.parametrize("settings", [ALL, HANDS])
def test_pose_alone_is_as_the_settings_say(rgb, pose, settings):
    stores = open_stage_stores("pose", settings, rgb=rgb if settings is HANDS else None, pose=pose)
    assert stores.layout == ClipLayout(9, 12, None)
    assert stores.video_ids == {"b", "c"}
    assert stores.rgb is None


def test_every_window_of_a_limited_timeline(tmp_path):
    every = replace(RGB, settings={"frames": FRAMES, "rgb": CLIPS | {"clips": "all"}})
    path = write_store(tmp_path / "every.zarr", every, [])
    assert open_stage_stores("rgb", ALL, rgb=path, pose=None).layout.num_slots == 25


def test_every_window_of_an_unlimited_timeline_is_refused(tmp_path):
    endless = {"frames": {"max_frames": None}, "rgb": CLIPS | {"clips": "all"}}
    path = write_store(tmp_path / "every.zarr", replace(RGB, settings=endless), [])
    with pytest.raises(StageStoresError, match=r"rgb\.clips 'all', frames.max_frames null"):
        open_stage_stores("rgb", ALL, rgb=path, pose=None)


def test_missing_stores_are_named(rgb, pose):
    with pytest.raises(StageStoresError, match=r"stage fusion needs a store of kind rgb.*--rgb"):
        open_stage_stores("fusion", ALL, rgb=None, pose=pose)
    with pytest.raises(StageStoresError, match=r"stage pose needs a store of kind pose.*data.pose"):
        open_stage_stores("pose", ALL, rgb=rgb, pose=None)


def test_dropped_frames_do_not_fit_the_clips_of_an_rgb_store(rgb, pose):
    with pytest.raises(StageStoresError, match=r"keypoints\.frames is 'hands'.*windows over all"):
        open_stage_stores("fusion", HANDS, rgb=rgb, pose=pose)


def test_stores_of_the_wrong_kind_are_refused(rgb, pose):
    with pytest.raises(StoreMismatchError, match="is a pose store where a rgb store is needed"):
        open_stage_stores("rgb", ALL, rgb=pose, pose=None)
    with pytest.raises(StoreMismatchError, match="is a rgb store where a pose store is needed"):
        open_stage_stores("pose", ALL, rgb=None, pose=rgb)


def test_random_features_are_told(tmp_path):
    random = replace(RGB, weights=RGB.weights | {"is_random": True})
    path = write_store(tmp_path / "random.zarr", random, [])
    (warning,) = open_stage_stores("rgb", ALL, rgb=path, pose=None).warnings
    assert "RANDOM weights" in warning
