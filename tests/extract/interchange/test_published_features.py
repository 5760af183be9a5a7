"""Published features become rows, with the frames that the keypoints tell."""

import numpy as np
import pytest
from published_folders import write_features, write_pickle

from extract.interchange.published import (
    PublishedFiles,
    open_published_features,
    planned_clips,
    unknown_clips,
)
from extract.rgb.provenance import KeptFrames
from extract.settings import ExtractSettings
from reference.small_stores import POSE, pose_video, signer, write_store
from seds_core.clip_plan import plan_clips
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.layout import row_arrays
from seds_core.store.reader import VideoNotInStoreError

SETTINGS = ExtractSettings.model_validate({"rgb": {"frames": "hands", "max_clips": 10}})


@pytest.fixture
def pose(tmp_path):
    return write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 30), pose_video("b", 9)])


@pytest.fixture
def source(tmp_path):
    return tmp_path / "features"


def features(source, pose=None, settings=SETTINGS):
    kept = pose and KeptFrames.open(pose, settings.rgb.hand_rules)
    return open_published_features(PublishedFiles(source, None), settings, kept, folder_fps=25.0)


def read(form, video_id):
    (item,) = [item for item in form.items if item.video_id == video_id]
    return form.read(item)


def check_layout(form, video):
    provenance = form.provenance
    specs = row_arrays(
        "rgb",
        feature_dim=provenance.feature_dim,
        feature_dtype=provenance.feature_dtype,
        clip_frames=provenance.clip_frames,
    )
    assert {spec.name for spec in specs} == video.rows.keys()
    for spec in specs:
        assert video.rows[spec.name].dtype == spec.dtype
        assert video.rows[spec.name].shape[1:] == spec.sizes


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_features_keep_their_bits_and_get_their_frames(source, pose, dtype):
    path = write_features(source, "train/a", 10, dtype)
    write_features(source, "test/b", 1, dtype)
    form = features(source, pose)
    video = read(form, "a")
    check_layout(form, video)
    written = np.random.default_rng(10).normal(size=(10, 8)).astype(dtype)
    assert video.rows["features"].tobytes() == written.tobytes()
    assert video.rows["frames"].shape == (10, 16)
    assert (video.num_frames, video.frame_step, video.width) == (30, 1, 320)
    assert read(form, "b").rows["frames"].tolist() == [[*range(9), *[8] * 7]]
    assert path.exists()


def test_the_provenance_says_how_clips_were_planned(source, pose):
    write_features(source, "a", 10)
    provenance = features(source, pose).provenance
    assert provenance.recorded_settings["rgb"] == {
        "clip_length": 16,
        "clips": "planned",
        "max_clips": 10,
        "frames": "hands",
        "hand_rules": "custom",
    }
    assert provenance.recorded_settings["frames"] == {"max_frames": 300, "folder_fps": 25.0}
    assert (provenance.feature_dim, provenance.clip_frames) == (8, 16)
    kept = KeptFrames.open(pose, "custom")
    assert provenance.weights.pose_store_sha256 == kept.identity


def test_another_number_of_clips_names_both(source, pose):
    write_features(source, "a", 9)
    with pytest.raises(ImportedFileError, match=r"has 9 clips, but .* there are 10"):
        read(features(source, pose), "a")


def test_a_video_without_keypoints_is_a_failure(source, pose):
    write_features(source, "c", 10)
    with pytest.raises(ImportedFileError, match=r"not known: .* has no video 'c'"):
        read(features(source, pose), "c")


def test_without_keypoints_the_frames_are_not_known(source):
    write_features(source, "a", 10)
    form = features(source)
    video = read(form, "a")
    check_layout(form, video)
    assert set(video.rows["first_frame"].tolist()) == {-1}
    assert (video.num_frames, video.frame_step, video.fps, video.width) == (0, 0, 0.0, 0)
    assert form.provenance.imported_from.clip_frames_known is False
    assert form.provenance.weights.pose_store_sha256 is None


def test_all_files_must_be_like_the_first_readable_one(source):
    write_pickle(source, "a", {"name": "a"})
    write_features(source, "b", 3, np.float16)
    write_features(source, "c", 3, np.float32)
    write_features(source, "d", 3, np.float16, dim=9)
    form = features(source)
    assert (form.provenance.feature_dim, form.provenance.feature_dtype) == (8, "float16")
    read(form, "b")
    with pytest.raises(ImportedFileError, match=r"8 float32 numbers a clip, and .* 8 float16"):
        read(form, "c")
    with pytest.raises(ImportedFileError, match="9 float16 numbers a clip"):
        read(form, "d")


def test_higher_precision_is_rounded_and_counted(source):
    write_features(source, "a", 3, np.float64)
    assert read(features(source), "a").num_rounded == 24


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"name": "a"}, "has no 'feature'"),
        ({"feature": [1.0]}, "no array of numbers"),
        ({"feature": np.ones(8, np.float32)}, r"shape \(8,\)"),
        ({"feature": np.ones((0, 8), np.float32)}, r"shape \(0, 8\)"),
    ],
)
def test_other_contents_say_what_is_wrong(source, value, reason):
    write_pickle(source, "a", value)
    with pytest.raises(UsageError, match=f"no features can be read .*{reason}"):
        features(source)
    write_features(source, "b", 3)
    with pytest.raises(ImportedFileError, match=reason):
        read(features(source), "a")


@pytest.fixture
def pose_without_two_hands(tmp_path):
    """A video of 30 frames that shows no person in frames 3 and 4."""
    keypoints = signer(30, np.random.default_rng(0))
    keypoints[3:5, :, 2] = 0
    return write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 30, keypoints)])


def planned(pose_without_two_hands, frames, video_id="a", **rgb):
    settings = ExtractSettings.model_validate({"rgb": {"frames": frames, **rgb}})
    return planned_clips(KeptFrames.open(pose_without_two_hands, "custom"), settings, video_id)


def test_clips_of_frames_with_hands_name_every_frame(pose_without_two_hands):
    clips = planned(pose_without_two_hands, "hands", max_clips=5)
    kept = [number for number in range(30) if number not in (3, 4)]
    starts = np.linspace(0, 12, 5, dtype=int)
    assert clips.rows["frames"].tolist() == [kept[start : start + 16] for start in starts]
    assert clips.rows["first_frame"].tolist() == [kept[start] for start in starts]
    assert clips.rows["frame_step"].tolist() == [0] * 5
    assert (clips.num_frames, clips.frame_step) == (30, 1)
    assert (clips.fps, clips.width, clips.height) == (25.0, 320, 240)


def test_clips_of_all_frames_are_evenly_spaced(pose_without_two_hands):
    clips = planned(pose_without_two_hands, "all")
    plan = plan_clips(30, max_frames=300, clip_length=16, max_clips=64)
    assert clips.rows.keys() == {"first_frame", "frame_step"}
    assert clips.rows["first_frame"].tolist() == plan.first_frames.tolist()
    assert clips.rows["frame_step"].tolist() == [1] * 15


@pytest.mark.parametrize("frames", ["all", "hands"])
def test_a_video_without_keypoints_is_named(pose_without_two_hands, frames):
    with pytest.raises(VideoNotInStoreError, match="has no video 'b'"):
        planned(pose_without_two_hands, frames, "b")


def test_unknown_frames_are_minus_one():
    clips = unknown_clips(3)
    assert clips.rows["first_frame"].tolist() == [-1] * 3
    assert clips.rows["frame_step"].tolist() == [0] * 3
    assert (clips.num_frames, clips.fps, clips.width) == (0, 0.0, 0)
