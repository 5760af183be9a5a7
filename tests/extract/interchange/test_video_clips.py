"""The clips of imported features are those that the settings and the keypoints plan."""

import numpy as np
import pytest
from small_stores import POSE, pose_video, signer, write_store

from extract.interchange.published_features import planned_clips, unknown_clips
from extract.rgb.provenance import KeptFrames
from extract.settings import ExtractSettings
from seds_core.clip_plan import plan_clips
from seds_core.store.reader import VideoNotInStoreError


@pytest.fixture
def pose(tmp_path):
    """A video of 30 frames with nobody in frames 3 and 4."""
    keypoints = signer(30, np.random.default_rng(0))
    keypoints[3:5, :, 2] = 0
    return write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 30, keypoints)])


def planned(pose, frames, video_id="a", **rgb):
    settings = ExtractSettings.model_validate({"rgb": {"frames": frames, **rgb}})
    return planned_clips(KeptFrames.open(pose, "custom"), settings, video_id)


def test_clips_of_frames_with_hands_name_every_frame(pose):
    clips = planned(pose, "hands", max_clips=5)
    kept = [number for number in range(30) if number not in (3, 4)]
    starts = np.linspace(0, 12, 5, dtype=int)
    assert clips.rows["frames"].tolist() == [kept[start : start + 16] for start in starts]
    assert clips.rows["first_frame"].tolist() == [kept[start] for start in starts]
    assert clips.rows["frame_step"].tolist() == [0] * 5
    assert (clips.num_frames, clips.frame_step) == (30, 1)
    assert (clips.fps, clips.width, clips.height) == (25.0, 320, 240)


def test_clips_of_all_frames_are_evenly_spaced(pose):
    clips = planned(pose, "all")
    plan = plan_clips(30, max_frames=300, clip_length=16, max_clips=64)
    assert clips.rows.keys() == {"first_frame", "frame_step"}
    assert clips.rows["first_frame"].tolist() == plan.first_frames.tolist()
    assert clips.rows["frame_step"].tolist() == [1] * 15


@pytest.mark.parametrize("frames", ["all", "hands"])
def test_a_video_without_keypoints_is_named(pose, frames):
    with pytest.raises(VideoNotInStoreError, match="has no video 'b'"):
        planned(pose, frames, "b")


def test_unknown_frames_are_minus_one():
    clips = unknown_clips(3)
    assert clips.rows["first_frame"].tolist() == [-1] * 3
    assert clips.rows["frame_step"].tolist() == [0] * 3
    assert (clips.num_frames, clips.fps, clips.width) == (0, 0.0, 0)
