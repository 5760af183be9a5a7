"""The stores of a stage fit its settings and each other."""

from dataclasses import replace

import pytest

from reference.small_stores import (
    CLIPS,
    FRAMES,
    HANDS_RGB,
    POSE,
    RGB,
    WHOLE_POSE,
    hands_rgb_video,
    pose_video,
    rgb_video,
    whole_pose_video,
    write_store,
)
from seds_core.store.provenance import ImportedFrom, StoreMismatchError
from train.batches import ClipLayout
from train.data.stage_stores import StageStoresError, open_pair, open_stage_stores
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
    assert stores.provenance["rgb"]["settings"] == RGB.recorded_settings
    assert stores.provenance["pose"]["path"] == str(pose)


def test_rgb_does_not_look_at_the_pose_store(rgb, tmp_path):
    stores = open_stage_stores("rgb", ALL, rgb=rgb, pose=tmp_path / "no such store")
    assert stores.layout == ClipLayout(6, 16, 8)
    assert stores.video_ids == {"a", "b"}
    assert stores.pose is None


def test_pose_takes_its_clips_from_an_rgb_store(rgb, pose):
    stores = open_stage_stores("pose", ALL, rgb=rgb, pose=pose)
    assert stores.layout == ClipLayout(6, 16, None)
    assert stores.video_ids == {"b"}


@pytest.mark.parametrize("settings", [ALL, HANDS])
def test_pose_alone_is_as_the_settings_say(pose, settings):
    stores = open_stage_stores("pose", settings, rgb=None, pose=pose)
    assert stores.layout == ClipLayout(9, 12, None)
    assert stores.video_ids == {"b", "c"}
    assert stores.rgb is None


def test_every_window_of_a_limited_timeline(tmp_path):
    every = replace(RGB, rgb=replace(CLIPS, clips="all"))
    path = write_store(tmp_path / "every.zarr", every, [])
    assert open_stage_stores("rgb", ALL, rgb=path, pose=None).layout.num_slots == 25


def test_every_window_of_an_unlimited_timeline_is_refused(tmp_path):
    endless = replace(
        RGB, timeline=replace(FRAMES, max_frames=None), rgb=replace(CLIPS, clips="all")
    )
    path = write_store(tmp_path / "every.zarr", endless, [])
    with pytest.raises(StageStoresError, match=r"rgb\.clips 'all', frames.max_frames null"):
        open_stage_stores("rgb", ALL, rgb=path, pose=None)


def test_missing_stores_are_named(rgb, pose):
    with pytest.raises(StageStoresError, match=r"stage fusion needs a store of kind rgb.*--rgb"):
        open_stage_stores("fusion", ALL, rgb=None, pose=pose)
    with pytest.raises(StageStoresError, match=r"stage pose needs a store of kind pose.*data.pose"):
        open_stage_stores("pose", ALL, rgb=rgb, pose=None)


def hands_rgb(folder):
    return write_store(folder / "hands.zarr", HANDS_RGB, [hands_rgb_video("b", 30)])


@pytest.mark.parametrize("stage", ["fusion", "rgb", "pose"])
def test_the_same_frames_must_be_left_out(rgb, pose, tmp_path, stage):
    hands = hands_rgb(tmp_path)
    assert open_stage_stores(stage, HANDS, rgb=hands, pose=pose).video_ids == {"b"}
    message = r"frames is 'hands'.*windows over all.*to 'all', or extract .*--frames hands --pose"
    with pytest.raises(StageStoresError, match=message):
        open_stage_stores(stage, HANDS, rgb=rgb, pose=pose)
    message = r"frames is 'all'.*hands\.zarr leave out.*rules to 'custom', or .*--frames all"
    with pytest.raises(StageStoresError, match=message):
        open_stage_stores(stage, ALL, rgb=hands, pose=pose)
    other = HANDS.model_copy(update={"rules": "how2sign"})
    with pytest.raises(StageStoresError, match=r"rules are 'how2sign'.*chosen by 'custom'"):
        open_stage_stores(stage, other, rgb=hands, pose=pose)


def test_the_stores_decide_the_longest_timeline(rgb, pose, tmp_path):
    whole = write_store(tmp_path / "whole.zarr", WHOLE_POSE, [whole_pose_video("b", 30)])

    def max_frames(stage, settings, **stores):
        return open_stage_stores(stage, settings, **stores).keypoints.max_frames

    assert max_frames("fusion", ALL, rgb=rgb, pose=whole) == 40
    assert max_frames("pose", HANDS, rgb=hands_rgb(tmp_path), pose=whole) == 40
    assert max_frames("pose", ALL, rgb=None, pose=whole) == 300
    assert max_frames("pose", ALL, rgb=None, pose=pose) == 40  # no more than there are
    endless = ALL.model_copy(update={"max_frames": None})
    assert max_frames("pose", endless, rgb=None, pose=whole) is None
    assert max_frames("pose", endless, rgb=None, pose=pose) == 40


def test_a_shorter_timeline_than_that_of_the_store_needs_its_frames(tmp_path):
    path = write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 30), pose_video("c", 95)])
    shorter = ALL.model_copy(update={"max_frames": 16})  # every sixth of 95; there is every third
    assert open_stage_stores("pose", shorter, rgb=None, pose=path).keypoints.max_frames == 16
    lacking = ALL.model_copy(update={"max_frames": 20})  # every fifth
    with pytest.raises(StageStoresError, match=r"max_frames is 20.*max_frames 40.*frames of 'c'"):
        open_stage_stores("pose", lacking, rgb=None, pose=path)


def test_stores_of_the_wrong_kind_are_refused(rgb, pose):
    with pytest.raises(StoreMismatchError, match="is a pose store where a rgb store is needed"):
        open_stage_stores("rgb", ALL, rgb=pose, pose=None)
    with pytest.raises(StoreMismatchError, match="is a rgb store where a pose store is needed"):
        open_stage_stores("pose", ALL, rgb=None, pose=rgb)


def test_random_features_are_told(tmp_path):
    random = replace(RGB, weights=replace(RGB.weights, is_random=True))
    path = write_store(tmp_path / "random.zarr", random, [])
    (warning,) = open_stage_stores("rgb", ALL, rgb=path, pose=None).warnings
    assert "RANDOM weights" in warning


def changed(video, **source):
    return replace(video, source=replace(video.source, **source))


def imported(provenance):
    return replace(provenance, imported_from=ImportedFrom(format="npy"))


def with_max_frames(provenance, max_frames):
    return replace(provenance, timeline=replace(provenance.timeline, max_frames=max_frames))


@pytest.fixture
def store(tmp_path):
    """Writes a store and gives its path."""
    numbers = iter(range(9))

    def store(provenance, videos):
        return write_store(tmp_path / f"{next(numbers)}.zarr", provenance, videos)

    return store


def test_videos_of_both_stores_and_warnings(store):
    random = replace(RGB, weights=replace(RGB.weights, is_random=True))
    rgb = store(random, [rgb_video(v, 20) for v in "abc"])
    pair = open_pair(rgb, store(POSE, [pose_video("c", 20), pose_video("b", 20, content="c1")]))
    assert pair.video_ids == ("c",)
    assert pair.only_in_one == {"a"}
    assert pair.from_other_sources == {"b"}
    assert len(pair.warnings) == 3
    assert "RANDOM weights" in pair.warnings[0]


def test_stores_of_one_kind_are_refused(store):
    rgb = store(RGB, [rgb_video("a", 20)])
    with pytest.raises(StoreMismatchError, match="is a rgb store where a pose store is needed"):
        open_pair(rgb, rgb)


@pytest.mark.parametrize(
    ("rgb", "video"), [(RGB, rgb_video("a", 95)), (HANDS_RGB, hands_rgb_video("a", 95))]
)
def test_a_pose_store_of_every_frame_fits_any_timeline(store, rgb, video):
    pair = open_pair(store(rgb, [video]), store(WHOLE_POSE, [whole_pose_video("a", 95)]))
    assert pair.video_ids == ("a",)
    assert pair.warnings == ()


@pytest.mark.parametrize(
    ("rgb", "video"), [(RGB, rgb_video("a", 95)), (HANDS_RGB, hands_rgb_video("a", 95))]
)
def test_a_pose_store_that_lacks_frames_is_refused(store, rgb, video):
    sparse = with_max_frames(POSE, 48)
    pose = store(sparse, [changed(pose_video("a", 95), frame_step=2)])  # every third is needed
    message = r"'max_frames': 40.*'max_frames': 48.*lacks frames of the video 'a'"
    with pytest.raises(StoreMismatchError, match=message):
        open_pair(store(rgb, [video]), pose)


def test_other_rules_that_give_the_same_frames_are_taken(store):
    pose = store(with_max_frames(POSE, 30), [pose_video("a", 20)])
    assert open_pair(store(RGB, [rgb_video("a", 20)]), pose).video_ids == ("a",)


def test_videos_read_with_another_number_of_frames_do_not_fit(store):
    rgb = store(RGB, [rgb_video(v, 20) for v in "ab"])
    longer = changed(pose_video("b", 20), num_frames=21)
    pair = open_pair(rgb, store(POSE, [pose_video("a", 20), longer]))
    assert pair.from_other_sources == {"b"}


@pytest.mark.parametrize(("rgb", "pose"), [(imported(RGB), POSE), (RGB, imported(WHOLE_POSE))])
def test_of_imported_rows_only_the_length_is_compared(store, rgb, pose):
    features = [
        changed(rgb_video("a", 20), content_hash=""),
        rgb_video("b", 20),
        changed(rgb_video("c", 20), num_frames=0),
    ]
    poses = [pose_video("a", 20), changed(pose_video("b", 20), num_frames=21), pose_video("c", 20)]
    pair = open_pair(store(rgb, features), store(pose, poses))
    assert pair.from_other_sources == {"b"}
    assert pair.video_ids == ("a", "c")


def test_clips_of_unknown_frames_cannot_be_paired(store):
    video = rgb_video("a", 20)
    video.rows["first_frame"][:] = -1
    rgb = store(imported(RGB), [video])
    with pytest.raises(StoreMismatchError, match=r"import the features again with --pose.*--stage"):
        open_pair(rgb, store(WHOLE_POSE, [whole_pose_video("a", 20)]))
